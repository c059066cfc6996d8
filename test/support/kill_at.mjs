// Preloaded (--import) into a process that is to die at one very place: before its N-th change of a file that matches
// KILL_AT, "RENAME|REMOVE|WRITE NAME" as a regular expression. Without KILL_AT the changes are listed on stderr.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const pattern = process.env.KILL_AT && new RegExp(process.env.KILL_AT);
let left = Number(process.env.KILL_AT_COUNT ?? 1);

function before(change, path) {
  const text = `${change} ${basename(String(path))}`;
  if (pattern === undefined || pattern === '') process.stderr.write(`change: ${text}\n`);
  else if (pattern.test(text) && --left === 0) process.kill(process.pid, 'SIGKILL');
}

/** `path`: which argument is the name that changes. */
function watch(module, name, change, path = 0, matters = () => true) {
  const original = module[name];
  module[name] = (...args) => {
    if (matters(...args)) before(change, args[path]);
    return original.apply(module, args);
  };
}

const writes = (_, flags) => typeof flags === 'string' && /[wa+]/.test(flags);
watch(fs.promises, 'rename', 'RENAME', 1);
watch(fs.promises, 'rm', 'REMOVE');
watch(fs.promises, 'open', 'WRITE', 0, writes);
watch(fs, 'renameSync', 'RENAME', 1);
watch(fs, 'rmSync', 'REMOVE');
watch(fs, 'linkSync', 'RENAME', 1);
syncBuiltinESMExports();
