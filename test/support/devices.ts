/**
 * The devices a session is tested on: the real one, and the float64 reference on simulated memory, without and with the
 * storage of a GPU: images of 16-bit slots, padded pixels (the numbers in them stay float64).
 */
import { DeviceSession } from '../../src/engine/device_session.js';
import { createSession } from '../../src/engine/session.js';
import type { Session, SessionOptions } from '../../src/engine/types.js';
import { ReferenceDevice } from './reference_device.js';

export type OpenSession = (options: SessionOptions) => Promise<Session>;

export const SESSIONS: Readonly<Record<string, OpenSession>> = {
  device: createSession,
  'float64 reference': async (options) =>
    new DeviceSession(new ReferenceDevice({ scratch: 256 }), 'float64 reference', options),
  'float64 reference, padded': async (options) =>
    new DeviceSession(new ReferenceDevice({ scratch: 256, rowBytes: 16 }), 'padded reference', {
      ...options,
      device: { kind: 'auto', precision: 'bf16' },
    }),
};
