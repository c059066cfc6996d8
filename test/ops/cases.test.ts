/** Every case table on the device: `npx vitest run test/ops/cases.test.ts -t "gate on the device"` runs one. */
import { allCases } from '../cases/index.js';
import { testOp } from '../support/run_cases.js';

for (const table of allCases) testOp(table);
