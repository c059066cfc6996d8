/** Golden numbers from PyTorch (test/golden/README.md). */
import { fileURLToPath } from 'node:url';

/** Path of a golden file. */
export const goldenPath = (name: string): string => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
