/** The device that computes: options -> a native device, with a sentence on what was chosen. */
import type { CudaReport, DeviceOptions, NativeDevice } from '../../bindings/addon.js';
import { libraryFolders, loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { type DeviceChoice, parseDevice } from './device_choice.js';
import type { Precision } from './precision.js';

const MOST_THREADS = 1024;

export interface OpenDevice {
  readonly device: NativeDevice;
  /**
   * For instance "cpu: Xeon 6985P, 2 threads, avx512" or "cuda:0: NVIDIA H200, sm_90, tf32, cuDNN 9.14.0"; what 'auto' chose is followed
   * by the reason: "(auto: ...)".
   */
  readonly name: string;
  readonly precision: Precision;
}

/** Throws (exit 2), as `openDevice` would, for a device or precision that this machine lacks; nothing is opened. */
export function checkDevice(choice: DeviceChoice): void {
  const report = choice.kind === 'cpu' ? undefined : loadAddon().cudaReport();
  if (report === undefined) checkCpu(choice, '');
  else if (choice.kind === 'auto' && report.reason !== '') checkCpu(choice, reasonOf(report));
  else chooseGpu(choice, report);
}

const reasonOf = (report: CudaReport): string => (report.built ? report.reason : 'this build has no CUDA');

/** Opens the device. 'auto' is the first usable GPU, else the CPU; 'cuda' never falls back. The caller disposes it. */
export async function openDevice(choice: DeviceChoice = { kind: 'auto' }): Promise<OpenDevice> {
  const addon = loadAddon();
  if (choice.kind === 'cpu') return openCpu(choice, '');
  const report = addon.cudaReport();
  if (choice.kind === 'auto' && report.reason !== '') return openCpu(choice, reasonOf(report));
  return openCuda(choice, report);
}

/** The device of a rank that is number `localRank` on its host: of 'auto' and 'cuda' each rank takes a GPU of its own. */
export function deviceOfRank(text: string, localRank: number): string {
  const { kind, index } = parseDevice(text);
  if (kind === 'cpu' || index !== undefined) return text;
  const gpus = loadAddon()
    .cudaReport()
    .devices.filter(({ usable }) => usable);
  return gpus.length === 0 ? text : `cuda:${gpus[localRank % gpus.length]!.index}`;
}

/** Whether `openDevice` would open a GPU, or refuse because it was asked for one. */
export const resolvesToCuda = ({ kind }: DeviceChoice): boolean =>
  kind === 'cuda' || (kind === 'auto' && loadAddon().cudaReport().reason === '');

function checkCpu({ kind, precision = 'fp32' }: DeviceChoice, reason: string): void {
  if (precision === 'fp32') return;
  const hint = kind === 'auto' ? `no GPU can be used: ${reason}` : 'omit --precision, or use --device cuda';
  throw new BandliftError(
    'the CPU computes in fp32 only',
    { field: '--precision', found: precision, expected: 'fp32', hint },
    EXIT.usage,
  );
}

/** BANDLIFT_THREADS: threads where a command does not say how many, for machines that are shared. */
function threadsOfEnvironment(): number | undefined {
  const text = process.env.BANDLIFT_THREADS;
  if (text === undefined || text === '') return undefined;
  if (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= MOST_THREADS) return Number(text);
  const expected = `a whole number from 1 to ${MOST_THREADS}`;
  throw new BandliftError(
    'is not a number of threads',
    { field: 'BANDLIFT_THREADS', found: text, expected },
    EXIT.usage,
  );
}

function openCpu(choice: DeviceChoice, reason: string): OpenDevice {
  checkCpu(choice, reason);
  const { precision = 'fp32', threads = threadsOfEnvironment(), isa } = choice;
  const device = loadAddon().createDevice({
    kind: 'cpu',
    ...(threads === undefined ? {} : { threads }),
    ...(isa === undefined ? {} : { isa }),
  });
  const info = device.info();
  const name = `cpu: ${info.name}, ${info.threads} thread${info.threads === 1 ? '' : 's'}, ${info.isa}`;
  return { device, name: chosen(name, choice, reason), precision };
}

/** Number of the GPU, and the precision on it. */
function chooseGpu(choice: DeviceChoice, report: CudaReport): { index: number; precision: Precision } {
  const fail = (message: string, fields = {}) =>
    new BandliftError(message, { field: '--device', found: deviceText(choice), ...fields }, EXIT.usage);
  if (report.reason !== '') throw fail(report.reason);
  const usable = report.devices.find(({ usable: ok }) => ok);
  const index = choice.index ?? usable!.index;
  const gpu = report.devices[index];
  if (gpu === undefined)
    throw fail('there is no such GPU', { expected: `cuda:0 to cuda:${report.devices.length - 1}` });
  if (!gpu.usable) throw fail(`${gpu.name}: ${gpu.reason}`);
  const capability = Number(gpu.computeCapability);
  const precision = choice.precision ?? (capability >= 8 ? 'tf32' : 'fp32');
  if ((precision === 'tf32' || precision === 'bf16') && capability < 8) {
    const hint = 'use fp16, or fp32';
    const message = `${gpu.name} has compute capability ${gpu.computeCapability}, ${precision} needs 8.0`;
    throw new BandliftError(message, { field: '--precision', found: precision, hint }, EXIT.usage);
  }
  return { index, precision };
}

function openCuda(choice: DeviceChoice, report: CudaReport): OpenDevice {
  const { index, precision } = chooseGpu(choice, report);
  const options: DeviceOptions = {
    kind: 'cuda',
    index,
    tf32: precision === 'tf32',
    deterministic: choice.deterministic ?? true,
    libraryFolders: libraryFolders(),
  };
  const device = loadAddon().createDevice(options);
  const { name, isa, convolutions } = device.info();
  const text = `cuda:${index}: ${name}, ${isa}, ${precision}, ${convolutions}`;
  return { device, name: chosen(text, choice, 'the first GPU that can be used'), precision };
}

const chosen = (name: string, { kind }: DeviceChoice, reason: string) =>
  kind === 'auto' ? `${name} (auto: ${reason})` : name;

function deviceText({ kind, index }: DeviceChoice): string {
  return index === undefined ? kind : `${kind}:${index}`;
}
