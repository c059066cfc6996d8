/**
 * Signals and closed outputs. `listen` is called first thing in the process, before anything large is loaded. A signal then
 * asks the work in progress to end at its next step, tile or patch; a command that has nothing to save ends at once. Either
 * way the exit code is 130. Without a listener for SIGUSR1, Node would open its debugger on a port.
 */
import inspector from 'node:inspector';
import { EXIT } from '../base/errors.js';

export interface Interrupt {
  readonly requested: boolean;
  /** Aborted by the first request: what the library takes. */
  readonly signal: AbortSignal;
  dispose(): void;
}

/** What terminals (INT, QUIT, HUP) and job schedulers (TERM, USR1, USR2) send. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
type Signal = (typeof SIGNALS)[number];

/**
 * ms. npm and srun pass on a signal that the process has had already: within this time it is the same request. After it,
 * someone is at the keyboard and wants to leave at once.
 */
export const SAME_REQUEST = 1000;

interface Work {
  readonly message: string;
  readonly controller: AbortController;
  /** performance.now() of the first request. */
  requested: number | undefined;
}

let current: Work | undefined;
let finished = false;

/** A terminal that is gone cannot be written to; nothing that is said about it may end the process before it has saved. */
function say(text: string): void {
  try {
    process.stderr.write(text);
  } catch {
    // nobody is there to read it
  }
}

function request(work: Work, now: number): void {
  work.requested = now;
  work.controller.abort();
}

function onSignal(signal: Signal): void {
  if (finished) return;
  if (current === undefined) {
    say(`${signal}: ended\n`);
    process.exit(EXIT.interrupted);
  }
  const now = performance.now();
  const fromKeyboard = signal === 'SIGINT' || signal === 'SIGQUIT';
  if (current.requested === undefined) {
    request(current, now);
    if (current.message !== '')
      say(fromKeyboard ? `\n${current.message} (again to leave at once)\n` : `${signal}: ${current.message}\n`);
  } else if (fromKeyboard && now - current.requested > SAME_REQUEST) process.exit(EXIT.interrupted);
}

/**
 * The reader of our output is gone: a pipe was closed (`| head`), or a terminal (EIO). That is no error. Work in progress is
 * saved as after a signal: `| tee log` ends with the same Ctrl-C.
 */
function onClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  if (finished) return;
  if (current === undefined) process.exit(EXIT.ok);
  if (current.requested === undefined) request(current, performance.now());
}

let listening = false;

const debuggerWanted = () => /--inspect/.test([...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' '));

/**
 * Listens to signals and to the ends of both outputs, for the whole process. Called again it only looks whether Node has
 * opened its debugger for a SIGUSR1 that came before the first line of ours.
 */
export function listen(): void {
  if (inspector.url() !== undefined && !debuggerWanted()) {
    inspector.close();
    process.exit(EXIT.interrupted);
  }
  if (listening) return;
  listening = true;
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.stdout.on('error', onClosed);
  process.stderr.on('error', onClosed);
}

/** The command has ended: a signal that comes now changes nothing about its exit code. */
export function finish(): void {
  finished = true;
}

/** From now on a signal is a request to `requested` rather than the end of the process. `message` says what happens then; '' says nothing. */
export function onInterrupt(message: string): Interrupt {
  const work: Work = { message, controller: new AbortController(), requested: undefined };
  const before = current;
  current = work;
  return {
    get requested() {
      return work.requested !== undefined;
    },
    signal: work.controller.signal,
    dispose() {
      if (current === work) current = before;
    },
  };
}
