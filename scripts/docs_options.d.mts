import type { Command } from 'commander';

/** The page docs/reference/commands.md of a program's commands. */
export function optionsPage(program: Command): string;
