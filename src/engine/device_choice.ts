/** How a device is named: options -> a choice. Apart from device.ts, so that a command line is checked without the addon. */
import { BandliftError, EXIT } from '../base/errors.js';
import { PRECISIONS, type Precision } from './precision.js';
import type { SessionOptions } from './types.js';

export type DeviceChoice = NonNullable<SessionOptions['device']>;

/** 'auto', 'cpu', 'cuda' or 'cuda:1', with a precision ('auto': the device's own). Throws (exit 2) on anything else. */
export function parseDevice(text: string, precision = 'auto'): DeviceChoice {
  const match = /^(auto|cpu|cuda(?::(\d{1,3}))?)$/.exec(text);
  if (match === null) {
    const expected = 'auto, cpu, cuda or cuda:NUMBER';
    throw new BandliftError('no such device', { field: '--device', found: text, expected }, EXIT.usage);
  }
  if (precision !== 'auto' && !(PRECISIONS as readonly string[]).includes(precision)) {
    const expected = `auto, ${PRECISIONS.join(', ')}`;
    throw new BandliftError('no such precision', { field: '--precision', found: precision, expected }, EXIT.usage);
  }
  return {
    kind: match[1]!.startsWith('cuda') ? 'cuda' : (match[1] as 'auto' | 'cpu'),
    ...(match[2] === undefined ? {} : { index: Number(match[2]) }),
    ...(precision === 'auto' ? {} : { precision: precision as Precision }),
  };
}
