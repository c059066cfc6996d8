/** Parsers for option values; a wrong value is a usage error that names what was expected. */
import { InvalidArgumentError } from 'commander';

export function integer(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(
        `expected a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}.`,
      );
    return value;
  };
}

export function real(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most)
      throw new InvalidArgumentError(
        `expected a number from ${least}${most < Number.POSITIVE_INFINITY ? ` to ${most}` : ''}.`,
      );
    return value;
  };
}

/** A number above `least`. */
export function realAbove(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value <= least)
      throw new InvalidArgumentError(`expected a number above ${least}.`);
    return value;
  };
}

/** The setting of a flag: batchSize -> batch_size. */
export const snake = (name: string) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
