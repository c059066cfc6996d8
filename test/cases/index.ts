/** All case tables of this folder: what test/ops runs, bench/ops.ts times and test/compiler checks by finite differences. */
import { importFolder } from '../support/import_folder.js';
import type { OpCases } from './case.js';

const MODULES = await importFolder<Record<string, unknown>>(new URL('./', import.meta.url), ['index']);

const isTable = (value: unknown): value is OpCases =>
  typeof value === 'object' && value !== null && 'cases' in value && 'tolerance' in value;

export const allCases: readonly OpCases[] = MODULES.flatMap((module) => Object.values(module).filter(isTable));
