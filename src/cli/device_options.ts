/** The options that say what computes; the same for every command that does. */
import { type Command, Option } from 'commander';
import { type DeviceChoice, parseDevice } from '../engine/device_choice.js';
import { PRECISIONS } from '../engine/precision.js';
import { integer } from './options.js';

export interface DeviceFlags {
  readonly device: string;
  readonly precision: string;
  readonly threads?: number;
}

export const DEVICE_HELP = 'auto, cpu, cuda or cuda:NUMBER; auto takes a GPU where one can be used';
export const PRECISION_HELP =
  'precision of arithmetic and images on a GPU (predictions stay float32); auto: tf32 where the GPU supports it, else fp32';
export const PRECISION_CHOICES: readonly string[] = ['auto', ...PRECISIONS];

export function addDeviceOptions(command: Command): Command {
  return command
    .option('--device <name>', DEVICE_HELP, 'auto')
    .addOption(new Option('--precision <name>', PRECISION_HELP).choices(PRECISION_CHOICES).default('auto'))
    .option(
      '--threads <n>',
      'threads that compute on the CPU (default: BANDLIFT_THREADS, else all cores); results do not depend on it',
      integer(1),
    );
}

/** Throws (exit 2) on a name that is none, and for a device that cannot be used: no data are read for it then. */
export async function deviceChoice({ device, precision, threads }: DeviceFlags): Promise<DeviceChoice> {
  const choice = { ...parseDevice(device, precision), ...(threads === undefined ? {} : { threads }) };
  const { checkDevice } = await import('../engine/device.js'); // the addon: not to print a help text
  checkDevice(choice);
  return choice;
}
