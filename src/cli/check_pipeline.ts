/** `bandlift check-pipeline`: the options; check_pipeline_run.ts does what they say. */
import type { Command } from 'commander';

export function defineCheckPipeline(command: Command): void {
  command
    .option('--json', 'print one JSON object per line instead of text')
    .action(async (flags: { json?: boolean }) => {
      const { runCheckPipeline } = await import('./check_pipeline_run.js');
      await runCheckPipeline(flags);
    });
}
