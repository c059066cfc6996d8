/** The command line as a process: arguments in, exit code out (program.ts has the commands). */
import { EXIT } from '../errors.js';
import { runCommandLine } from './program.js';

// A closed pipe (`bandlift ... | head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2));
