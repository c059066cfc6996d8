/** `bandlift verify`: the engine against numbers from PyTorch. */
import type { Command } from 'commander';
import { EXIT } from '../base/errors.js';
import { type VerifyRow, verifyGolden } from '../verify/verify.js';
import { addDeviceOptions, type DeviceFlags, deviceChoice } from './device_options.js';
import { Output } from './output.js';

interface Flags extends DeviceFlags {
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
  const widths = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i]!.length)));
  return [head, ...cells]
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

export function addVerify(program: Command): void {
  addDeviceOptions(program.command('verify'))
    .description('hold the engine against numbers from PyTorch: output, loss terms, gradients, parameters after Adam')
    .argument('<file>', 'safetensors file with param.*, input, target, output, grad.*, after.* (sizes in its `doc`)')
    .option(
      '--net <name>',
      'network, when the file name does not say: spectral_sr, spectral_unmixing, spatial_sr, spatial_lightweight',
    )
    .option('--json', 'one JSON object on stdout instead of a table')
    .addHelpText(
      'after',
      '\nTolerance: |a-b| <= 1e-5 + 1e-4 |b| for outputs and losses, 1e-5 + 1e-3 |b| for gradients and parameters.\nExit 1 when anything lies beyond it.',
    )
    .action(async (file: string, flags: Flags) => {
      const output = new Output(flags.json === true);
      const result = await verifyGolden(file, {
        ...(flags.net ? { net: flags.net } : {}),
        device: deviceChoice(flags),
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
    });
}
