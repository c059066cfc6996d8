// Writes docs/reference/commands.md, the page of all commands and options, from the definitions of the command line:
//   npm run docs:options        (a test fails while the page differs from the definitions)
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, root } from './build.mjs';

const PAGE = 'docs/reference/commands.md';

const cell = (text) =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replace(/\s*\n\s*/g, ' ');
const code = (text) => `\`${text.replaceAll('|', '\\|')}\``;

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

/** The meaning of an option with its choices and default; train's options name their defaults in the text. */
function meaning({ description, argChoices, defaultValue, mandatory }) {
  const notes = [];
  if (mandatory) notes.push('required');
  if (argChoices) notes.push(`one of ${argChoices.join(', ')}`);
  if (defaultValue !== undefined && defaultValue !== true && !description.includes('(default:'))
    notes.push(`default: ${defaultValue}`);
  if (notes.length === 0) return cell(description);
  const given = /^(.*) \((default: .*)\)$/s.exec(description);
  return cell(given ? `${given[1]} (${[given[2], ...notes].join('; ')})` : `${description} (${notes.join('; ')})`);
}

const table = (head, rows) => [
  `| ${head} | meaning |`,
  '| --- | --- |',
  ...rows.map(([name, text]) => `| ${code(name)} | ${text} |`),
  '',
];

/** Options in the groups of the help text, in order. */
function groupsOf(options) {
  const groups = new Map();
  for (const option of options) {
    const title = (option.helpGroupHeading ?? 'Options:').replace(/:$/, '');
    groups.set(title, [...(groups.get(title) ?? []), option]);
  }
  return groups;
}

function describe(command, names) {
  const path = [...names, command.name()];
  const inner = command.commands.filter((c) => c.name() !== 'help');
  if (inner.length > 0) return inner.flatMap((c) => describe(c, path));
  const lines = [`## ${path.slice(1).join(' ')}`, '', `${sentence(cell(command.description()))}.`, ''];
  const usage = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  lines.push('```text', [...path, '[options]', ...usage].join(' '), '```', '');
  if (command.registeredArguments.length > 0)
    lines.push(
      ...table(
        'argument',
        command.registeredArguments.map((a) => [a.name(), cell(a.description)]),
      ),
    );
  const groups = groupsOf(command.options);
  for (const [title, options] of groups)
    lines.push(
      ...table(
        groups.size > 1 ? `${title.toLowerCase()} option` : 'option',
        options.map((option) => [option.flags, meaning(option)]),
      ),
    );
  return lines;
}

/** @param program commander's Command with all commands */
export function optionsPage(program) {
  const commands = program.commands.filter((c) => c.name() !== 'help').flatMap((c) => describe(c, [program.name()]));
  return `${[
    '# Commands and options',
    '',
    'Written by `npm run docs:options` from the definitions of the command line; do not edit it by hand. In a checkout a command is',
    'started as `npm run -s bandlift -- COMMAND`; `COMMAND --help` prints the same.',
    '',
    ...commands,
  ]
    .join('\n')
    .trimEnd()}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  build({ quiet: true });
  const { commands } = await import(pathToFileURL(join(root, 'dist/src/cli/program.js')).href);
  writeFileSync(join(root, PAGE), optionsPage(await commands()));
  console.log(`wrote ${PAGE}`);
}
