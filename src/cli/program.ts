/**
 * All commands. NAME.ts holds a command's options and loads little, NAME_run.ts does the work and is loaded when the options
 * are right: `--help` and wrong options are answered at once. Each throws a BandliftError for what the user can mend; this
 * file turns errors into one line on stderr and the exit code documented in docs/reference/runs.md.
 */
import { Command, CommanderError } from 'commander';
import { BandliftError, EXIT } from '../base/errors.js';
import { version } from '../base/version.js';

interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** Loads the file with its options, and adds them. */
  define(command: Command): Promise<void>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'train',
    description: 'train a model',
    define: async (command) => (await import('./train.js')).defineTrain(command),
  },
  {
    name: 'launch',
    description: 'start several ranks of `train` on this machine, without MPI',
    define: async (command) => (await import('./launch.js')).defineLaunch(command),
  },
  {
    name: 'sample',
    description:
      'write generated flight lines (ENVI cubes at 30 m and 4 m), their patch files and a Landsat scene: seeded, no download',
    define: async (command) => (await import('./sample.js')).defineSample(command),
  },
  {
    name: 'prepare',
    description: 'airborne cubes (ENVI) to files of paired patches: fine spectra and what Landsat would see of them',
    define: async (command) => (await import('./prepare.js')).definePrepare(command),
  },
  {
    name: 'import',
    description: 'convert a PyTorch checkpoint (.pth, .pt or .safetensors) to a bandlift checkpoint',
    define: async (command) => (await import('./import.js')).defineImport(command),
  },
  {
    name: 'predict',
    description:
      'apply trained models to a whole scene: 7 Landsat bands to hundreds at 30 m (stage 1) and 4 m (stage 2)',
    define: async (command) => (await import('./predict.js')).definePredict(command),
  },
  {
    name: 'calibrate',
    description: 'move the model in the box to one scene by known spectra of some of its pixels',
    define: async (command) => (await import('./calibrate.js')).defineCalibrate(command),
  },
  {
    name: 'evaluate',
    description:
      "measure a trained model on its run's test split or on patches it has never seen, beside baselines fitted on its training split and an oracle",
    define: async (command) => (await import('./evaluate.js')).defineEvaluate(command),
  },
  {
    name: 'verify',
    description: 'compare the engine with numbers from PyTorch: output, loss terms, gradients, parameters after Adam',
    define: async (command) => (await import('./verify.js')).defineVerify(command),
  },
  {
    name: 'inspect',
    description:
      'what a file or folder holds: ENVI cube, Landsat product, GeoTIFF, patches, checkpoint, .pth; or a network by name with its memory',
    define: async (command) => (await import('./inspect.js')).defineInspect(command),
  },
  {
    name: 'view',
    description: 'look at cubes and predictions in a browser: images, spectra, several cubes at the same place',
    define: async (command) => (await import('./view.js')).defineView(command),
  },
  {
    name: 'check-pipeline',
    description:
      'a tiny model of every network through data, one training step, a checkpoint and back; then the whole way to 4 m',
    define: async (command) => (await import('./check_pipeline.js')).defineCheckPipeline(command),
  },
  {
    name: 'doctor',
    description: 'what this machine has, which device would be used, what is missing and how to get it',
    define: async (command) => (await import('./doctor.js')).defineDoctor(command),
  },
];

/** Commander puts "Allowed choices ..." and "(Did you mean ...?)" on lines of their own. */
const oneLine = (text: string) =>
  text
    .trim()
    .replace(/\.?\s*\n\s*/g, ' ')
    .replace(/\.$/, '');

/**
 * The command line with all commands by name, and the options of those that `isWanted`.
 *
 * @param isWanted by a command's name; without it all have their options
 */
export async function commands(isWanted: (name: string) => boolean = () => true): Promise<Command> {
  const program = new Command('bandlift')
    .description('Landsat 8/9 (7 bands) to AVIRIS-NG (hundreds of bands): train, verify and inspect.')
    .version(version())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}; add --help for all options\n`) })
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed or beyond tolerance, 2 wrong usage, 3 bad input, 4 not a finite number, 5 out of memory,\n130 stopped by a signal (INT, TERM, HUP, QUIT, USR1 or USR2): what was done is saved, and the command that continues it is printed',
    );
  for (const { name, description, define } of COMMANDS) {
    const command = program.command(name).description(description);
    if (isWanted(name)) await define(command);
  }
  return program;
}

/** The command that these arguments name: the first that is not an option, or the next after `help`. */
function named(args: readonly string[]): string | undefined {
  const [first, second] = args.filter((arg) => !arg.startsWith('-'));
  return first === 'help' ? second : first;
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
    const name = named(args);
    const program = await commands((other) => other === name);
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode);
  } catch (error) {
    return report(error);
  }
}
