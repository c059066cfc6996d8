/** `bandlift verify` at work: the engine against numbers from PyTorch. */
import { EXIT } from '../base/errors.js';
import { alignRows } from '../base/text_table.js';
import type { DeviceChoice } from '../engine/device_choice.js';
import { type VerifyRow, verifyGolden } from '../verify/verify.js';
import type { DeviceFlags } from './device_options.js';
import { Output } from './output.js';

export interface VerifyFlags extends DeviceFlags {
  net?: string;
  json?: boolean;
}

function table(rows: readonly VerifyRow[]): string {
  const cells = rows.map((r) => [
    r.what,
    r.maxDeviation.toExponential(2),
    r.allowed.toExponential(2),
    r.ok ? 'ok' : `BEYOND at ${r.at}`,
  ]);
  const head = ['compared', 'largest deviation', 'allowed there', ''];
  return alignRows([head, ...cells]).join('\n');
}

export async function runVerify(file: string, flags: VerifyFlags, device: DeviceChoice): Promise<void> {
  const output = new Output(flags.json === true);
  const result = await verifyGolden(file, {
    ...(flags.net ? { net: flags.net } : {}),
    device,
  });
  const ok = result.rows.every((row) => row.ok);
  output.line(`${result.net} on ${result.device}`);
  output.line(table(result.rows));
  for (const note of result.notes) output.line(`note: ${note}`);
  output.line(ok ? 'agrees within tolerance' : 'BEYOND TOLERANCE');
  output.event('verify', {
    file,
    net: result.net,
    device: result.device,
    ok,
    rows: result.rows,
    notes: result.notes,
  });
  if (!ok) process.exitCode = EXIT.failure;
}
