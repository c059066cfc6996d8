/** Opens sessions: the engine's front door. */
import type { NativeDevice } from '../../bindings/addon.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { openDevice } from './device.js';
import { DeviceSession } from './device_session.js';
import type { Session, SessionOptions } from './types.js';

/** How often a device that has less memory than it said is asked for less. */
const ATTEMPTS = 4;

/** Planning knows what a device said was free; where another process took of it meanwhile, smaller parts are tried. */
function openFitting(device: NativeDevice, name: string, options: SessionOptions): DeviceSession {
  let { maxMemory } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return new DeviceSession(device, name, { ...options, ...(maxMemory === undefined ? {} : { maxMemory }) });
    } catch (error) {
      const full = (error as { code?: string }).code === 'ERR_OUT_OF_MEMORY' && device.info().kind === 'cuda';
      if (!full || attempt === ATTEMPTS) throw error;
      maxMemory = Math.floor(0.7 * (maxMemory ?? device.info().memoryBytes));
    }
  }
}

/**
 * Opens the device and allocates everything at once; parameters are zeros until `initialize` or `write`. Throws an
 * out-of-memory error (exit code 5) that says what would fit.
 */
export async function createSession(options: SessionOptions): Promise<Session> {
  const { device, name, precision } = await openDevice(options.device);
  try {
    return openFitting(device, name, { ...options, device: { kind: 'auto', ...options.device, precision } });
  } catch (error) {
    device.dispose();
    if ((error as { code?: string }).code !== 'ERR_OUT_OF_MEMORY') throw error;
    const hint = 'use a smaller --batch-size or --max-memory';
    throw new BandliftError((error as Error).message, { field: 'memory', hint }, EXIT.outOfMemory);
  }
}
