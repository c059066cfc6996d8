/** `bandlift train stage1`: from patches to a checkpoint. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { EXIT } from '../errors.js';
import { readConfigFile, resolveConfig, type Stage1Config, stage1Schema } from '../train/config.js';
import { checkpointsOf, freeRunPath } from '../train/run_folder.js';
import { trainStage1 } from '../train/stage1.js';
import { onInterrupt } from './interrupt.js';
import { integer, real } from './options.js';
import { Output } from './output.js';
import { defaultSample } from './sample.js';

const defaults = resolveDefaults();

function resolveDefaults(): Stage1Config {
  return stage1Schema.parse({});
}

/** On the sample a run ends in minutes on two cores; real data takes the documented 100 epochs. */
export const SAMPLE_EPOCHS = 30;

interface Flags extends Record<string, unknown> {
  config?: string;
  resume?: boolean;
  json?: boolean;
}

export function addTrain(program: Command): void {
  const train = program.command('train').description('train a model');
  const stage1 = train
    .command('stage1')
    .description('stage 1, spectral: 7 Landsat bands to the bands of the airborne sensor, on the same grid')
    .addHelpText(
      'after',
      `
With no --data-dir a sample scene is generated (./sample) and trained on for ${SAMPLE_EPOCHS} epochs.
A run writes config.yaml, split.json, environment.json, metrics.jsonl, test_metrics.json, tensorboard/ and
checkpoints/{last,best}.safetensors to its folder. Ctrl-C finishes the step, writes 'last' and exits 130.`,
    );
  const option = (flags: string, text: string, parse?: (text: string) => unknown) => {
    const o = new Option(flags, text);
    if (parse) o.argParser(parse);
    const value = defaults[o.attributeName().replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) as keyof Stage1Config];
    if (value !== undefined && value !== '' && !flags.startsWith('--no-'))
      o.description = `${text} (default: ${value})`;
    stage1.addOption(o);
  };
  const choice = (flags: string, text: string, choices: string[]) => {
    const o = new Option(flags, text).choices(choices);
    const value = defaults[o.attributeName().replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`) as keyof Stage1Config];
    o.description = `${text} (default: ${value})`;
    stage1.addOption(o);
  };
  stage1.optionsGroup('Data:');
  option(
    '--data-dir <path>',
    'folder or file of HDF5 patches (datasets aviris, landsat); without it the generated sample',
  );
  option('--val-fraction <x>', 'share of the patches for validation', real(0, 0.9));
  option('--test-fraction <x>', 'share of the patches for the final test', real(0, 0.9));
  choice('--normalization <kind>', 'fitted on the training split', ['percentile', 'per_band', 'none']);
  option('--no-augment', 'no flips and 90-degree turns');
  stage1.optionsGroup('Model:');
  choice('--model <name>', 'network', ['spectral_sr', 'spectral_unmixing', 'ridge', 'quadratic_ridge']);
  option('--blocks <n>', 'residual blocks of spectral_sr', integer(0));
  option('--hidden <n>', 'channels of the first layer of spectral_sr', integer(1));
  choice('--axis <name>', 'direction of its 1-D convolutions', ['row', 'raster', 'spectral']);
  option('--endmembers <n>', 'endmembers of spectral_unmixing', integer(1));
  choice('--endmember-constraint <name>', 'softplus keeps endmembers non-negative', ['softplus', 'none']);
  choice(
    '--regression <path>',
    'closed-form start added to the output; auto: for spectral_sr quadratic or linear, whichever validates better; none for spectral_unmixing',
    ['auto', 'none', 'linear', 'quadratic'],
  );
  option(
    '--ridge-lambda <x>',
    'penalty of the closed-form regressions, relative to the variance of a feature',
    real(0),
  );
  stage1.optionsGroup('Loss:');
  option('--loss-l1 <w>', 'weight of the mean absolute error', real(0));
  option('--loss-l2 <w>', 'weight of the mean squared error', real(0));
  option('--loss-sam <w>', 'weight of the spectral angle (radians)', real(0));
  option('--loss-gradient <w>', 'weight of the difference between neighbouring bands', real(0));
  stage1.optionsGroup('Optimisation:');
  option('--epochs <n>', 'passes over the training patches', integer(1));
  option('--batch-size <n>', 'patches per step', integer(1));
  option('--lr <x>', "Adam's learning rate", real(0));
  choice('--schedule <kind>', 'learning rate over time', ['plateau', 'cosine', 'step', 'constant']);
  option('--warmup-steps <n>', 'steps of linear warm-up', integer(0));
  option('--plateau-factor <x>', 'factor of the plateau schedule', real(0, 1));
  option('--plateau-patience <n>', 'epochs without improvement before the rate is lowered', integer(0));
  option('--step-epochs <n>', 'epochs between the steps of the step schedule', integer(1));
  option('--step-factor <x>', 'factor of the step schedule', real(0, 1));
  option('--min-lr <x>', 'the rate never falls below', real(0));
  option('--patience <n>', 'epochs without improvement before training stops (0: never)', integer(0));
  option('--clip-norm <x>', 'clip the gradient to this L2 norm (0: off)', real(0));
  option('--ema-decay <x>', 'keep a moving average of the weights and validate with it (0: off)', real(0, 0.999999));
  stage1.optionsGroup('Run:');
  option('--output-dir <path>', 'run folder (default: runs/stage1, or the next free runs/stage1-002, ...)');
  option('--resume', 'continue the run in --output-dir (default: runs/stage1)');
  option('--checkpoint <file>', 'resume from this checkpoint instead of the last one (with --resume)');
  option('--init <file>', 'start a new run from the weights of this checkpoint');
  option('--config <file>', 'YAML file with these settings (underscores for dashes); flags win over it');
  option('--seed <n>', 'of everything random', integer(0, 0xffffffff));
  option('--device <name>', 'auto or cpu (cuda comes with a later release)');
  option('--threads <n>', 'threads that compute; results do not depend on it (0: all physical cores)', integer(0));
  choice('--precision <name>', 'of the arithmetic', ['fp32']);
  option('--max-memory <size>', "limit for the engine's memory, e.g. 4G; batches are split to fit (0: none)");
  option('--save-every <n>', 'keep a checkpoint every n epochs besides last and best (0: off)', integer(0));
  option('--image-every <n>', 'pictures in TensorBoard every n epochs (0: off)', integer(0));
  option('--json', 'one JSON object a line on stdout instead of text');
  stage1.action((flags: Flags) => run(flags));
}

async function run(flags: Flags): Promise<void> {
  const output = new Output(flags.json === true);
  const file = flags.config ? readConfigFile(flags.config) : {};
  const resume = flags.resume === true;
  const settings: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (['config', 'resume', 'json'].includes(name)) continue;
    if (name === 'augment' && value === true) continue; // commander's default of --no-augment
    settings[name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)] = value;
  }
  let config: Stage1Config;
  if (resume) {
    const folder = (settings.output_dir as string | undefined) ?? 'runs/stage1';
    const saved = existsSync(join(folder, 'config.yaml')) ? readConfigFile(join(folder, 'config.yaml')) : {};
    config = { ...resolveConfig(settings, { ...saved, ...file }), output_dir: folder };
    if (settings.lr !== undefined && config.schedule === 'plateau')
      output.warn(
        'the plateau schedule continues with the learning rate of the checkpoint; --lr has no effect on --resume',
      );
  } else {
    config = resolveConfig(settings, file);
    if (config.data_dir === '') {
      config.data_dir = await defaultSample(output);
      if (settings.epochs === undefined && file.epochs === undefined) config.epochs = SAMPLE_EPOCHS;
    }
    if (config.output_dir === '') config.output_dir = freeRunPath('runs/stage1');
  }
  output.line(`run folder: ${config.output_dir}`);
  const interrupt = onInterrupt('stopping after this step ...');
  try {
    const result = await trainStage1(config, resume, output, () => interrupt.requested);
    const again = `npm run -s bandlift -- train stage1 --resume --output-dir ${config.output_dir}`;
    if (result.interrupted) {
      output.line(
        `interrupted; everything up to this step is in ${join(checkpointsOf(result.run), 'last.safetensors')}`,
      );
      output.line(`to continue: ${again}`);
      output.event('interrupted', { resume: again });
      process.exitCode = EXIT.interrupted;
      return;
    }
    output.line();
    output.line(`best model: ${result.best}`);
    output.line(`curves and pictures: tensorboard --logdir ${join(result.run, 'tensorboard')}`);
    output.event('done', { run: result.run, best: result.best });
  } finally {
    interrupt.dispose();
  }
}
