#!/usr/bin/env node
/** The command line as a process: arguments in, exit code out (program.ts has the commands). */
import { finish, listen } from './interrupt.js';

listen();
// only now: loading everything takes a moment in which a signal may come
const { runCommandLine } = await import('./program.js');
listen();
process.exitCode = await runCommandLine(process.argv.slice(2));
finish();
