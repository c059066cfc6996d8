/** Opens sessions: the engine's front door. */
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
    throw error;
  }
}
