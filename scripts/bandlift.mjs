#!/usr/bin/env node
// The command line in a checkout: builds what is missing, then runs it. `npm run -s bandlift -- ARGS`.
// Signals are listened to from the first line on: Node would open a debugger at SIGUSR1.
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import inspector from 'node:inspector';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

if (inspector.url() !== undefined && !/--inspect/.test([...process.execArgv, process.env.NODE_OPTIONS].join(' '))) {
  inspector.close(); // a SIGUSR1 came before this line
  process.exit(130);
}
const scripts = dirname(fileURLToPath(import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
const INTERRUPTED = 130;

let builder;
const stop = () => {
  try {
    if (builder !== undefined) process.kill(-builder.pid, 'SIGTERM');
  } catch {
    // it is done, or never started
  }
  process.exit(INTERRUPTED);
};
for (const signal of SIGNALS) process.on(signal, stop);

const { isBuilt } = await import('./build.mjs');
if (!isBuilt()) {
  // a process group of its own, so that a signal ends compilers as well
  builder = spawn(process.execPath, [join(scripts, 'build.mjs'), '--quiet'], {
    stdio: ['ignore', 2, 2],
    detached: true,
  });
  const code = await new Promise((resolve) => {
    builder.on('error', (error) => {
      process.stderr.write(`error: cannot start ${process.execPath}: ${error.message}\n`);
      resolve(1);
    });
    builder.on('close', (code) => resolve(code ?? INTERRUPTED));
  });
  if (code !== 0) process.exit(code);
}

// the command line's own listeners first, so that no moment is without
// both of one version: dist is a link that a build may turn at any moment
const compiled = realpathSync(join(dirname(scripts), 'dist'));
const module = (name) => import(pathToFileURL(join(compiled, 'src/cli', name)).href);
const { listen } = await module('interrupt.js');
listen();
for (const signal of SIGNALS) process.off(signal, stop);
await module('main.js');
