/**
 * All commands. Each lives in its own file and throws a BandliftError for what the user can mend; this file turns errors
 * into one line on stderr and the exit code documented in docs/reference/runs.md.
 */
import { Command, CommanderError } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import { version } from '../base/version.js';
import { addCheckPipeline } from './check_pipeline.js';
import { addDoctor } from './doctor.js';
import { addEvaluate } from './evaluate.js';
import { addImport } from './import.js';
import { addInspect } from './inspect.js';
import { addPredict } from './predict.js';
import { addPrepare } from './prepare.js';
import { addSample } from './sample.js';
import { addTrain } from './train.js';
import { addVerify } from './verify.js';

/** Commander puts "Allowed choices ..." and "(Did you mean ...?)" on lines of their own. */
const oneLine = (text: string) =>
  text
    .trim()
    .replace(/\.?\s*\n\s*/g, ' ')
    .replace(/\.$/, '');

/** The definitions of all commands; nothing runs before they are given a command line. */
export function commands(): Command {
  const program = new Command('bandlift')
    .description('Landsat 8/9 (7 bands) to AVIRIS-NG (hundreds of bands): train, verify and inspect.')
    .version(version())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}; add --help for all options\n`) })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed or beyond tolerance, 2 wrong usage, 3 bad input, 4 not a finite number, 5 out of memory,\n130 stopped by a signal (INT, TERM, HUP, QUIT, USR1 or USR2): what was done is saved, and the line to go on is printed',
    );

  for (const add of [
    addTrain,
    addSample,
    addPrepare,
    addImport,
    addPredict,
    addEvaluate,
    addVerify,
    addInspect,
    addCheckPipeline,
    addDoctor,
  ])
    add(program);
  return program;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof BandliftError) {
    // a signal is no error
    process.stderr.write(`${error.exitCode === EXIT.interrupted ? '' : 'error: '}${error.message}\n`);
    return error.exitCode;
  }
  const e = error as NodeJS.ErrnoException;
  if (e?.code === 'ERR_OUT_OF_MEMORY') {
    process.stderr.write(`error: ${e.message}\n`);
    return EXIT.outOfMemory;
  }
  process.stderr.write(
    `error: ${e?.stack ?? String(error)}\nThis is a defect of bandlift; please report it with the command you typed.\n`,
  );
  return EXIT.failure;
}

/**
 * Runs one command line.
 *
 * @param args what follows the program's name
 * @returns the exit code; whatever went wrong stands on stderr
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  process.exitCode = EXIT.ok; // a command that ends well with another code sets it
  try {
    await commands().parseAsync([...args], { from: 'user' });
    return Number(process.exitCode);
  } catch (error) {
    return report(error);
  }
}
