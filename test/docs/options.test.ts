/** The page of options is what `npm run docs:options` writes, and says what the help texts say. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { optionsPage } from '../../scripts/docs_options.mjs';
import { commands } from '../../src/cli/program.js';
import { rowsOf } from './markdown.js';

const page = readFileSync('docs/reference/commands.md', 'utf8');

it('is up to date', async () => {
  expect(page === optionsPage(await commands()), 'docs/reference/commands.md is stale: npm run docs:options').toBe(
    true,
  );
});

const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.filter((c) => c.name() !== 'help').flatMap(leaves);

it('has a row for each option that a help text lists', async () => {
  const flags = (text: string) => [...text.matchAll(/^ {2}((?:-\w, )?--[\w-]+(?: <[^>]+>)?)/gm)].map(([, f]) => f!);
  const helped = leaves(await commands()).flatMap((c) => flags(c.helpInformation()).filter((f) => f !== '-h, --help'));
  const written = rowsOf(page).map(([name]) => name!.replaceAll('`', ''));
  expect(helped.length).toBeGreaterThan(80);
  expect(helped.filter((f) => !written.includes(f))).toEqual([]);
});
