/** Tests that take long: `npm run test:full` and continuous integration run them, `npm test` leaves them out. */
import { describe } from 'vitest';

export const runLong = process.env.BANDLIFT_FULL === '1';

/** Declares tests that take many seconds; without BANDLIFT_FULL=1 there are none. Whole files are called *.long.test.ts. */
export function describeLong(title: string, body: () => void): void {
  if (runLong) describe(title, body);
}
