/** The device that computes: options -> a native device, with a sentence on what was chosen. */
import type { NativeDevice } from '../../bindings/addon.js';
import { loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../errors.js';
import type { SessionOptions } from './types.js';

export type DeviceChoice = NonNullable<SessionOptions['device']>;

export interface OpenDevice {
  readonly device: NativeDevice;
  /** For instance "cpu: Xeon 6985P, 2 threads, avx512". */
  readonly name: string;
  /** Why this one: printed by the commands. */
  readonly reason: string;
}

/** Opens the device. 'auto' is the CPU, the only kind of this version. The caller disposes it. */
export async function openDevice(choice: DeviceChoice = { kind: 'auto' }): Promise<OpenDevice> {
  if (choice.kind !== 'auto' && choice.kind !== 'cpu') {
    throw new BandliftError(
      'no such device in this version',
      { field: 'device', found: choice.kind, expected: 'auto or cpu' },
      EXIT.usage,
    );
  }
  const addon = loadAddon();
  const device = addon.createDevice({
    kind: 'cpu',
    ...(choice.threads === undefined ? {} : { threads: choice.threads }),
    ...(choice.isa === undefined ? {} : { isa: choice.isa }),
  });
  const { name, threads, isa } = device.info();
  return {
    device,
    name: `cpu: ${name}, ${threads} thread${threads === 1 ? '' : 's'}, ${isa}`,
    reason: choice.kind === 'auto' ? 'this version computes on the CPU only' : 'as asked',
  };
}
