/** `bandlift inspect`: what a cube, patch file, checkpoint or model holds, and what training it would take. */
import { existsSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Facts } from './inspect_facts.js';
import { integer } from './options.js';
import { Output } from './output.js';

/** Loads only what knows about this kind of thing. */
async function inspect(path: string, batchSize: number, size: number | undefined): Promise<Facts> {
  if (!existsSync(path)) return (await import('./inspect_network.js')).inspectNetwork(path, batchSize, size);
  if (/\.safetensors$/i.test(path)) return (await import('./inspect_weights.js')).inspectWeights(path, batchSize, size);
  if (/\.(pth|pt)$/i.test(path)) return (await import('./inspect_torch.js')).inspectTorch(path);
  return (await import('./inspect_data.js')).inspectData(path, statSync(path).isDirectory());
}

export function defineInspect(command: Command): void {
  command
    .argument('<file>', 'file, folder (of patches, cubes or a Landsat product), or network name')
    .option('--batch-size <n>', 'batch size for the planned memory of a network', integer(1, 4096), 4)
    .option(
      '--size <pixels>',
      'side of an input patch for the planned memory (default: 256; stage 2: 34)',
      integer(1, 4096),
    )
    .option('--json', 'print one JSON object instead of text')
    .action(async (file: string, flags: { batchSize: number; size?: number; json?: boolean }) => {
      const output = new Output(flags.json === true);
      const facts = await inspect(file, flags.batchSize, flags.size);
      for (const [key, value] of Object.entries(facts))
        output.line(`${key.padEnd(22)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
      output.event('inspect', { file, ...facts });
    });
}
