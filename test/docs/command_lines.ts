/** The command lines of the pages: what they start, and with which arguments of bandlift. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { blocksOf } from './markdown.js';

export interface CommandLine {
  readonly page: string;
  readonly text: string;
  /** Arguments of bandlift; undefined where the line starts another script of package.json. */
  readonly args: readonly string[] | undefined;
}

const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts as Record<string, string>;

export const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter((page) => existsSync(page) && (page === 'README.md' || page.startsWith('docs/')));

/** Words of a line without quotes, as a shell would split them. */
const wordsOf = (line: string): string[] =>
  line
    .replace(/(^|\s)#.*$/, '')
    .trim()
    .split(/\s+/)
    .filter(Boolean);

const after = (words: readonly string[], name: string) =>
  words.includes(name) ? words.slice(words.indexOf(name) + 1) : [];

/** What a line of a shell means. Throws where it starts something that the project does not have. */
export function understand(page: string, text: string): CommandLine {
  const [tool, ...words] = wordsOf(text);
  const line = (args?: readonly string[]): CommandLine => ({ page, text, args });
  if (tool === 'node' && words[0] === 'scripts/bandlift.mjs') return line(words.slice(1));
  if (tool !== 'npm') throw new Error(`${page}: ${tool} is not a command of the project: ${text}`);
  const name = words[0] === 'test' ? 'test' : words.filter((word) => word !== 'run' && word !== '-s')[0]!;
  const script = scripts[name];
  if (script === undefined) throw new Error(`${page}: package.json has no script ${name}: ${text}`);
  const own = /^node scripts\/bandlift\.mjs ?(.*)$/.exec(script);
  if (own === null) return line();
  return line([...own[1]!.split(' ').filter(Boolean), ...after(words, '--')]);
}

/** All lines of the blocks of shell, those that go on with a backslash joined. */
export const commandLines = (): CommandLine[] =>
  pages.flatMap((page) =>
    blocksOf(readFileSync(page, 'utf8'), 'sh')
      .flatMap((block) => block.replace(/\\\n/g, ' ').split('\n'))
      .filter((line) => wordsOf(line).length > 0)
      .map((line) => understand(page, line.replace(/\s+/g, ' ').trim())),
  );
