// A vitest reporter that appends a line of JSON to BANDLIFT_TEST_LOG as each test ends, so that a run which is stopped keeps
// what it found out: {name, state, seconds, errors}. A file that cannot be loaded is a failed test of its own name.
import { appendFileSync } from 'node:fs';

const log = process.env.BANDLIFT_TEST_LOG;
const write = (line) => appendFileSync(log, `${JSON.stringify(line)}\n`);
const messages = (errors = []) => errors.map(({ message }) => message);

export default class {
  onTestCaseResult(test) {
    const { state, errors } = test.result();
    write({ name: test.fullName, state, seconds: (test.diagnostic()?.duration ?? 0) / 1000, errors: messages(errors) });
  }

  onTestSuiteResult(suite) {
    if (suite.errors().length > 0) write({ name: suite.fullName, state: 'failed', errors: messages(suite.errors()) });
  }

  onTestModuleEnd(file) {
    if (file.errors().length > 0) write({ name: file.moduleId, state: 'failed', errors: messages(file.errors()) });
  }

  onTestRunEnd(_files, unhandled) {
    if (unhandled.length > 0) write({ name: 'outside of any test', state: 'failed', errors: messages(unhandled) });
  }
}
