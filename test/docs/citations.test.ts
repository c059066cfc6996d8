/** Everything that sources and pages cite is in the repository: files, sections of the specification, links and anchors. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, linksOf, sectionsOf } from './markdown.js';

/** Tracked files and new ones that git does not ignore. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => existsSync(file));
const text = (file: string) => readFileSync(file, 'utf8');
const sources = files.filter((file) =>
  /^(src|test|native|bench|scripts|bindings|cmake|configs)\/.*\.(ts|mts|mjs|js|h|cpp|cu|cuh|py|yaml|cmake)$/.test(file),
);
const pages = files.filter((file) => file.endsWith('.md'));

/** Lines of comments joined, so that a citation may run over the end of a line. */
const flat = (file: string) => text(file).replace(/\n\s*(\*|\/\/|#)?\s*/g, ' ');

/** `docs/specification.md, section 1.5` or `sections 2 and 8` -> 1.5 or 2, 8 */
function citedSections(words: string): string[] {
  const citation = /docs\/specification\.md, sections? (\d+(?:\.\d+)*)((?:(?:, | and )\d+(?:\.\d+)*)*)/g;
  return [...words.matchAll(citation)].flatMap(([, first, more]) => [first!, ...(more!.match(/\d+(\.\d+)*/g) ?? [])]);
}

describe('citations in the sources', () => {
  it('are read with one section, with several, and over the end of a line', () => {
    const words = 'a (docs/specification.md, section 1.5), docs/specification.md, sections 2 and 8: x';
    expect(citedSections(words)).toEqual(['1.5', '2', '8']);
    expect(citedSections('docs/specification.md, section 3. 4 cores')).toEqual(['3']);
  });

  const sections = sectionsOf(text('docs/specification.md'));

  it('name sections of the specification that exist', () => {
    expect(sections).toContain('1.5');
    const cited = sources.flatMap((file) => citedSections(flat(file)).map((section) => ({ file, section })));
    expect(cited.length).toBeGreaterThan(20);
    expect(cited.filter(({ section }) => !sections.includes(section))).toEqual([]);
  });

  it('always give a section', () => {
    const bare = sources.filter((file) =>
      /specification\.md(?!, sections? \d)/.test(flat(file).replace(/specification\.md['`]/g, '')),
    );
    expect(bare.filter((file) => !file.startsWith('test/docs/'))).toEqual([]);
  });

  it('name documents that exist', () => {
    const missing = sources.flatMap((file) =>
      [...text(file).matchAll(/(?<![\w/.-])docs\/(decisions\/\d{4}|[\w/-]+\.md)/g)]
        .map(([, name]) => name!)
        .filter((name) =>
          name.startsWith('decisions/')
            ? !files.some((f) => f.startsWith(`docs/${name}-`))
            : !existsSync(join('docs', name)),
        )
        .map((name) => `${file}: docs/${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('name no Markdown file that is nowhere', () => {
    const known = new Set(pages.map((page) => page.split('/').at(-1)));
    const missing = sources
      .filter((file) => !file.startsWith('test/docs/'))
      .flatMap((file) =>
        [...text(file).matchAll(/\b([\w-]+\.md)\b/g)].map(([, name]) => name!).filter((name) => !known.has(name)),
      );
    expect(missing).toEqual([]);
  });
});

describe('pages', () => {
  it.each(pages)('%s links to files and headings that exist', (page) => {
    const broken = linksOf(text(page)).filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path!);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(text(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(pages)('%s names decisions and files of the project that exist', (page) => {
    const named = [
      ...text(page).matchAll(/`((?:src|test|native|bench|scripts|docs|configs|bindings)\/[\w./-]+\.\w+)`/g),
    ];
    expect(named.map(([, path]) => path!).filter((path) => !existsSync(path))).toEqual([]);
    const decisions = [...text(page).matchAll(/docs\/decisions\/(\d{4})/g)].map(([, number]) => number!);
    expect(decisions.filter((number) => !files.some((f) => f.startsWith(`docs/decisions/${number}-`)))).toEqual([]);
  });

  it('are found from the index', () => {
    const seen = new Set<string>();
    const follow = (page: string): void => {
      if (seen.has(page) || !pages.includes(page)) return;
      seen.add(page);
      for (const link of linksOf(text(page))) {
        if (/^[a-z]+:/.test(link)) continue;
        const target = join(dirname(page), link.split('#')[0]!);
        // a link to a folder leads to the pages in it
        for (const found of pages.filter((p) => p === target || dirname(p) === target)) follow(found);
      }
    };
    follow('README.md');
    expect(pages.filter((page) => /^docs\//.test(page) && !seen.has(page))).toEqual([]);
  });
});
