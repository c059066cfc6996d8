/** `bandlift launch`: the options; launch_run.ts does what they say. */
import type { Command } from 'commander';
import type { LaunchFlags } from './launch_run.js';
import { integer } from './options.js';

export function defineLaunch(command: Command): void {
  command
    .requiredOption('--ranks <n>', 'processes to start', integer(1))
    .argument('<command...>', 'after --: the command that all ranks run, `train stage1 ...`')
    .addHelpText(
      'after',
      `
Example: bandlift launch --ranks 2 -- train stage1 --data-dir patches --batch-size 8

The ranks share each batch and take the same steps: the curve is that of one process. Each computes with its share of the
processor's cores (or BANDLIFT_THREADS, or --threads), or on a GPU of its own. Signals are passed on to all ranks. Where a rank
dies the others end within 10 s. The exit code is that of rank 0, or of the first that failed.
Across machines use mpirun or srun: see docs/how-to/clusters.md.`,
    )
    .action(async (args: string[], flags: LaunchFlags) => {
      const { runLaunch } = await import('./launch_run.js');
      await runLaunch(args, flags);
    });
}
