/** Opens sessions: the engine's front door. */
import { BandliftError, EXIT } from '../errors.js';
import { openDevice } from './device.js';
import { DeviceSession } from './device_session.js';
import type { Session, SessionOptions } from './types.js';

/**
 * Opens the device and allocates everything at once; parameters are zeros until `initialize` or `write`. Throws an
 * out-of-memory error (exit code 5) that says what would fit.
 */
export async function createSession(options: SessionOptions): Promise<Session> {
  const { device, name } = await openDevice(options.device);
  try {
    return new DeviceSession(device, name, options);
  } catch (error) {
    device.dispose();
    if ((error as { code?: string }).code !== 'ERR_OUT_OF_MEMORY') throw error;
    const hint = 'use a smaller --batch-size or --max-memory';
    throw new BandliftError((error as Error).message, { field: 'memory', hint }, EXIT.outOfMemory);
  }
}
