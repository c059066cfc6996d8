/** What the tests of the pages read of Markdown. */

/** The text without blocks of code and, where wanted, without code in lines. */
function prose(markdown: string, inline = true): string {
  const withoutBlocks = markdown.replace(/^```[^\n]*\n[\s\S]*?^```$/gm, '').replace(/^ {4}.*$/gm, '');
  return inline ? withoutBlocks.replace(/`[^`\n]*`/g, '') : withoutBlocks;
}

/** Targets of links and pictures. */
export const linksOf = (markdown: string): string[] =>
  [...prose(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);

const headings = (markdown: string): string[] =>
  [...prose(markdown, false).matchAll(/^#{1,6} (.+)$/gm)].map(([, words]) => words!);

/** Anchors of the headings as GitHub makes them: lower case, spaces to hyphens, other signs dropped; repeats are numbered. */
export function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>();
  return headings(markdown).map((words) => {
    const plain = words.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replace(/[^\p{L}\p{N}_ -]/gu, '').replace(/ /g, '-');
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}

/** Numbers of numbered headings: `## 3. Training` -> 3, `### 1.5 What ...` -> 1.5. */
export const sectionsOf = (markdown: string): string[] =>
  headings(markdown).flatMap((words) => /^(\d+(?:\.\d+)*)\.? /.exec(words)?.[1] ?? []);

/** Blocks of code in one language, without their fences. */
export const blocksOf = (markdown: string, language: string): string[] =>
  [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, body]) =>
    name === language ? [body!] : [],
  );

/** Rows of all tables as cells, without the lines of dashes. */
export const rowsOf = (markdown: string): string[][] =>
  [...markdown.matchAll(/^\|(.+)\|$/gm)]
    .map(([, row]) => row!.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((cells) => !cells.every((cell) => /^:?-+:?$/.test(cell)));
