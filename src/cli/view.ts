/** `bandlift view`: the options; view_run.ts does what they say. */
import type { Command } from 'commander';
import { integer } from './options.js';
import type { ViewFlags } from './view_run.js';

export function defineView(command: Command): void {
  command
    .argument(
      '<file...>',
      'cubes, GeoTIFFs, Landsat products, products of imaging spectrometers: what inspect and predict read',
    )
    .option('--truth <file>', 'the true cube, beside the others and in every spectrum')
    .option(
      '--uncertainty <file>',
      'of the first cube, as `predict --uncertainty` writes it: drawn around its spectrum',
    )
    .option('--port <number>', 'port of the loopback address (default: one that is free)', integer(1, 65535))
    .option('--open', 'open the address in the browser of this machine')
    .option('--json', 'print one JSON object with the address instead of text')
    .action(async (files: string[], flags: ViewFlags) => {
      await (await import('./view_run.js')).runView(files, flags);
    });
}
