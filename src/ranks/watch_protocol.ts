/** What is said between a rank and its thread that watches the others, and over the wire between those threads. */
import type { Meeting } from './rendezvous.js';

/** How this thread joins. */
export interface WatchStart {
  readonly rank: number;
  readonly size: number;
  readonly host: string;
  readonly process: number;
  readonly nonce: string;
  /** Rank 0: the address to listen on. */
  readonly bind: string;
  /** Int32Array of one number: the step this rank is at. */
  readonly step: SharedArrayBuffer;
}

/** To the thread. */
export type ToWatch =
  | { readonly kind: 'join'; readonly meeting: Meeting; readonly timeout: number }
  /** Rank 0: to all. */
  | { readonly kind: 'begin' }
  /** Rank 0: the run is over, all leave in good order with this code. */
  | { readonly kind: 'end'; readonly code: number }
  /** This rank cannot go on; its message is printed already. The others end. */
  | { readonly kind: 'fail'; readonly code: number };

/** From the thread. */
export type FromWatch =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'joined' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly code: number }
  /** What was asked for by 'fail' or 'end' is on its way. */
  | { readonly kind: 'told' };

/** A line on the wire. */
export type Line =
  | {
      readonly kind: 'hello';
      readonly nonce: string;
      readonly rank: number;
      readonly host: string;
      readonly process: number;
    }
  | { readonly kind: 'beat'; readonly step: number }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly code: number }
  | { readonly kind: 'fail'; readonly code: number }
  /** From rank 0: leave at once; what there is to say is said. */
  | { readonly kind: 'quit'; readonly code: number };

/** ms between beats. */
export const BEAT = 1000;
/** ms without a beat after which a rank counts as dead: with what it takes to tell the others, less than 10 s. */
export const SILENCE = 8000;
