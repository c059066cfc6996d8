#!/usr/bin/env node
// The command line in a checkout: builds what is missing, then runs it. `npm run -s bandlift -- ARGS`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, root } from './build.mjs';

build();
await import(pathToFileURL(join(root, 'dist/src/cli/main.js')).href);
