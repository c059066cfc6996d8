/** `bandlift doctor`: the options; doctor_run.ts does what they say. */
import type { Command } from 'commander';

export function defineDoctor(command: Command): void {
  command
    .argument('[folder]', 'where runs are to be written: its file system is tried', '.')
    .option('--json', 'print one JSON object instead of text')
    .action(async (folder: string, flags: { json?: boolean }) => {
      const { runDoctor } = await import('./doctor_run.js');
      runDoctor(folder, flags);
    });
}
