/** Which engine computes: equal texts, equal bits of a prediction. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { addonPath } from '../../bindings/load.js';
import { version } from '../base/version.js';
import { openDevice } from './device.js';
import type { DeviceChoice } from './device_choice.js';

/**
 * bandlift's version, the addon's contents, the device's kind and instruction set (of a GPU also its name and who computes
 * convolutions) and the precision. The number of threads is not part of it: it changes no bit.
 */
export async function engineIdentity(choice: DeviceChoice | undefined): Promise<string> {
  const { device, precision } = await openDevice(choice);
  try {
    const { kind, name, isa, convolutions } = device.info();
    const addon = createHash('sha256').update(readFileSync(addonPath()!)).digest('hex');
    return [version(), addon, kind, isa, ...(kind === 'cpu' ? [] : [name, convolutions]), precision].join('\n');
  } finally {
    device.dispose();
  }
}
