/** `bandlift train stage1|stage2`: the options; train_run.ts does what they say. */
import { type Command, Option } from 'commander';
import { FINE_SAMPLE, SAMPLE, STAGE1_DEFAULTS, STAGE2_DEFAULTS } from '../train/defaults.js';
import { DEVICE_HELP, PRECISION_CHOICES, PRECISION_HELP } from './device_options.js';
import { integer, real, snake } from './options.js';
import type { TrainFlags } from './train_run.js';

export function defineTrain(train: Command): void {
  addStage1(train);
  addStage2(train);
}

async function start(stage: 'stage1' | 'stage2', flags: TrainFlags): Promise<void> {
  const { runTrain } = await import('./train_run.js');
  await runTrain(stage, flags);
}

/** Settings as their flags. */
const describeSettings = (settings: Readonly<Record<string, unknown>>) =>
  Object.entries(settings)
    .map(([name, value]) => `--${name.replaceAll('_', '-')} ${value}`)
    .join(' ');

/** Adds options whose defaults stand in the stage's schema; they are shown, and filled in only when settings are resolved. */
class Options {
  readonly #command: Command;
  readonly #defaults: Readonly<Record<string, unknown>>;

  constructor(command: Command, defaults: Readonly<Record<string, unknown>>) {
    this.#command = command;
    this.#defaults = defaults;
  }

  group(title: string): this {
    this.#command.optionsGroup(title);
    return this;
  }

  add(flags: string, text: string, parse?: (text: string) => unknown): this {
    const option = new Option(flags, text);
    if (parse) option.argParser(parse);
    return this.#add(option, flags.startsWith('--no-') || !flags.includes('<'));
  }

  choice(flags: string, text: string, choices: readonly string[]): this {
    return this.#add(new Option(flags, text).choices(choices), false);
  }

  #add(option: Option, plain: boolean): this {
    const value = this.#defaults[snake(option.attributeName())];
    if (value !== undefined && value !== '' && !plain)
      option.description = `${option.description} (default: ${String(value)})`;
    this.#command.addOption(option);
    return this;
  }
}

/** Options that both stages have. */
function addShared(options: Options, run: string): void {
  options
    .group('Loss:')
    .add('--loss-l1 <w>', 'weight of the mean absolute error', real(0))
    .add('--loss-l2 <w>', 'weight of the mean squared error', real(0))
    .add('--loss-sam <w>', 'weight of the spectral angle (radians)', real(0))
    .add('--loss-gradient <w>', 'weight of the difference between neighbouring bands', real(0))
    .group('Optimisation:')
    .add('--epochs <n>', 'passes over the training patches', integer(1))
    .add('--batch-size <n>', 'patches per step', integer(1))
    .add('--lr <x>', "Adam's learning rate", real(0))
    .choice('--schedule <kind>', 'learning rate over time', ['plateau', 'cosine', 'step', 'constant'])
    .add('--warmup-steps <n>', 'steps of linear warm-up', integer(0))
    .add('--plateau-factor <x>', 'factor of the plateau schedule', real(0, 1))
    .add('--plateau-patience <n>', 'epochs without improvement before the rate is lowered', integer(0))
    .add('--step-epochs <n>', 'epochs between the steps of the step schedule', integer(1))
    .add('--step-factor <x>', 'factor of the step schedule', real(0, 1))
    .add('--min-lr <x>', 'lower limit of the learning rate', real(0))
    .add('--patience <n>', 'epochs without improvement before training stops (0: never)', integer(0))
    .add('--clip-norm <x>', 'clip the gradient to this L2 norm (0: off)', real(0))
    .add('--ema-decay <x>', 'keep a moving average of the weights and validate with it (0: off)', real(0, 0.999999))
    .group('Run:')
    .add('--output-dir <path>', `run folder (default: ${run}, or the next free ${run}-002, ...)`)
    .add(
      '--resume [when]',
      `continue the run in --output-dir, or the one in ${run}, from its last checkpoint; auto: where there is one, else start it, and do nothing where it is finished`,
    )
    .add(
      '--checkpoint <file>',
      'continue from this checkpoint: in the run it belongs to, or with --output-dir in a new one',
    )
    .add(
      '--requeue',
      'with --resume auto in a SLURM job: when a signal stops the run, put the job back into the queue (scontrol requeue)',
    )
    .add('--init <file>', 'start a new run from the weights of this checkpoint')
    .add('--config <file>', 'YAML file with these settings (underscores for dashes); flags win over it')
    .add(
      '--seed <n>',
      'random seed of the split, the initial weights, and the order and turns of patches',
      integer(0, 0xffffffff),
    )
    .add('--device <name>', DEVICE_HELP)
    .add('--threads <n>', 'threads that compute; results do not depend on it (0: all physical cores)', integer(0))
    .choice('--precision <name>', PRECISION_HELP, [...PRECISION_CHOICES])
    .add('--max-memory <size>', "limit for the engine's memory, e.g. 4G; batches are split to fit (0: none)")
    .add(
      '--deterministic-ranks',
      'with several ranks: add gradients in the order of ranks, so that a run has the same bits every time',
    )
    .choice('--data-on-device <when>', 'hold all patches on the device where they fit; auto does so on a GPU', [
      'auto',
      'on',
      'off',
    ])
    .add('--save-every <n>', 'keep a checkpoint every n epochs besides last and best (0: off)', integer(0))
    .add('--image-every <n>', 'pictures in TensorBoard every n epochs (0: off)', integer(0))
    .add('--json', 'print one JSON object per line instead of text');
}

function addData(options: Options, files: string): Options {
  return options
    .group('Data:')
    .add('--data-dir <path>', files)
    .add('--val-fraction <x>', 'share of the patches for validation', real(0, 0.9))
    .add('--test-fraction <x>', 'share of the patches for the final test', real(0, 0.9))
    .add(
      '--val-scenes <names>',
      'scenes for validation, comma-separated, beside --test-scenes (without it --val-fraction of the others)',
    )
    .add(
      '--test-scenes <names>',
      'scenes left out for the final test, comma-separated, instead of shares; each gets a line of its own',
    )
    .choice('--normalization <kind>', 'how values are scaled; fitted on the training split', [
      'percentile',
      'per_band',
      'none',
    ])
    .add('--no-augment', 'do not flip or turn patches');
}

const RUN_FOLDER = `A run writes config.yaml, split.json, environment.json, metrics.jsonl, test_metrics.json,
baselines.json, tensorboard/ and
checkpoints/{last,best}.safetensors to its folder. Ctrl-C finishes the step, writes 'last' and exits 130;
so do the signals TERM, HUP, QUIT, USR1 and USR2 (job schedulers: --signal=USR2@120).`;

function addStage1(train: Command): void {
  const command = train
    .command('stage1')
    .description('stage 1, spectral: 7 Landsat bands to the bands of the airborne sensor, on the same grid')
    .addHelpText(
      'after',
      `
With no --data-dir a sample scene is generated (./sample) and trained on for ${SAMPLE.epochs} epochs, with
settings of its own: ${describeSettings(SAMPLE)}.
${RUN_FOLDER}`,
    );
  const options = new Options(command, STAGE1_DEFAULTS);
  addData(options, 'folder or file of HDF5 patches (datasets aviris, landsat); without it the generated sample')
    .add(
      '--crop <pixels>',
      'train on random crops of this side where patches are larger; they are validated and tested on in tiles of it',
      integer(0, 4096),
    )
    .choice('--balance <kind>', 'scene: every scene gives an epoch as many patches as every other', ['none', 'scene'])
    .choice('--grid <name>', "auto: Landsat's own grid (landsat_lr, aviris_lr) where the files hold it, else patch", [
      'auto',
      '30m',
      'patch',
    ])
    .group('Model:')
    .choice('--model <name>', 'network to train', ['spectral_sr', 'spectral_unmixing', 'ridge', 'quadratic_ridge'])
    .add('--blocks <n>', 'residual blocks of spectral_sr', integer(0))
    .add('--hidden <n>', 'channels of the first layer of spectral_sr', integer(1))
    .choice('--axis <name>', 'direction of the 1-D convolutions of spectral_sr', ['row', 'raster', 'spectral'])
    .add('--endmembers <n>', 'endmembers of spectral_unmixing', integer(1))
    .choice('--endmember-constraint <name>', 'softplus keeps endmembers non-negative', ['softplus', 'none'])
    .choice(
      '--regression <kind>',
      'closed-form start added to the output; auto: for spectral_sr quadratic or linear, whichever validates better; none for spectral_unmixing',
      ['auto', 'none', 'linear', 'quadratic'],
    )
    .add(
      '--ridge-lambda <x>',
      'penalty of the closed-form regressions, relative to the variance of a feature',
      real(0),
    );
  addShared(options, 'runs/stage1');
  command.action((flags: TrainFlags) => start('stage1', flags));
}

function addStage2(train: Command): void {
  const command = train
    .command('stage2')
    .description('stage 2, spatial: the bands at 30 m to the same bands at 4 m (x7.5)')
    .addHelpText(
      'after',
      `
The input is what stage 1 predicts on Landsat's grid: computed once and kept in a cache, or the true cube degraded
(--input simulated, for pre-training), or a mixture of both (--input mix).
With no --data-dir the 4 m part of the generated sample is used, with a small network for ${FINE_SAMPLE.epochs} epochs, and the best
model of runs/stage1, which is trained first where there is none.
${RUN_FOLDER}`,
    );
  const options = new Options(command, STAGE2_DEFAULTS);
  addData(options, 'folder or file of HDF5 patches as `prepare` writes them; without it the generated sample')
    .add('--stage1 <file>', "stage 1's checkpoint")
    .choice('--input <name>', 'input of the network: predictions of stage 1, the degraded true cube, or a mixture', [
      'stage1',
      'simulated',
      'mix',
    ])
    .add('--mix-share <x>', 'share of training patches whose input is the true cube, with --input mix', real(0, 1))
    .add('--cache-dir <path>', "folder for stage 1's predictions (default: cache beside the run folder)")
    .group('Model:')
    .choice('--model <name>', 'network to train', ['spatial_sr', 'spatial_lightweight', 'bicubic'])
    .add('--features <n>', 'channels of the network; 0 means 64 (spatial_lightweight: 16)', integer(0))
    .add('--groups <n>', 'residual groups of spatial_sr', integer(0))
    .add('--blocks <n>', 'blocks (spatial_sr: in each group)', integer(0))
    .add('--reduction <n>', 'reduction factor of the channel attention (spatial_sr)', integer(1))
    .add(
      '--back-projections <n>',
      'number of back-projections at the end of the network (documented checkpoints have none)',
      integer(0, 100),
    )
    .choice('--projection <how>', 'back-projections bounded by what the input allows, or plain', ['bounded', 'plain'])
    .add('--no-zero-start', 'start the last convolution from random weights, so not from the bicubic image')
    .add('--finetune-stage1', 'train both stages together, from 7 bands at 30 m');
  addShared(options, 'runs/stage2');
  command.action((flags: TrainFlags) => start('stage2', flags));
}
