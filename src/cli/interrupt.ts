/**
 * Ctrl-C (SIGINT) and SIGTERM. The first asks the work to end at the next step boundary; the second leaves at once (the
 * last checkpoint is intact, since files are replaced only when complete).
 */
import { EXIT } from '../errors.js';

export interface Interrupt {
  readonly requested: boolean;
  dispose(): void;
}

export function onInterrupt(message: string): Interrupt {
  const state = { requested: false };
  const handler = () => {
    if (state.requested) process.exit(EXIT.interrupted);
    state.requested = true;
    process.stderr.write(`\n${message} (again to leave at once)\n`);
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    get requested() {
      return state.requested;
    },
    dispose() {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}
