/** `bandlift doctor`: the options; doctor_run.ts does what they say. */
import type { Command } from 'commander';

export function defineDoctor(command: Command): void {
  command.option('--json', 'print one JSON object instead of text').action(async (flags: { json?: boolean }) => {
    const { runDoctor } = await import('./doctor_run.js');
    runDoctor(flags);
  });
}
