/**
 * Where ranks meet. A port cannot be reserved by its number, so rank 0 binds first and publishes what it got: in a file, or
 * through a communicator that is there already. The address that serves is found by connecting, not by a host's name (Debian
 * maps that to 127.0.1.1).
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { writeFileAtomic } from '../base/atomic.js';
import { BandliftError, EXIT } from '../base/errors.js';

export interface Meeting {
  readonly host: string;
  /** Any of these may serve. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** Process id of rank 0, for messages. */
  readonly process?: number;
  /** Who knows it belongs to this run. */
  readonly nonce: string;
}

export const NONCE_LENGTH = 32;

export const newNonce = () => randomBytes(NONCE_LENGTH / 2).toString('hex');

/** This host's addresses, those that other hosts reach first. */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const outside = all.filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address);
  return [...outside, hostname(), '127.0.0.1'];
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function publishMeeting(file: string, meeting: Meeting): Promise<void> {
  await writeFileAtomic(file, JSON.stringify(meeting));
}

/** Waits for the file that rank 0 writes. Throws after `timeout` ms. */
export async function awaitMeeting(file: string, timeout: number): Promise<Meeting> {
  for (const end = Date.now() + timeout; Date.now() < end; await sleep(50))
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Meeting;
  throw new BandliftError(`rank 0 has not written it within ${timeout / 1000} s`, { file }, EXIT.failure);
}

/** A connection to the first address that answers; tried again until `timeout` ms have passed. */
export async function connectTo({ host, addresses, port }: Meeting, timeout: number): Promise<Socket> {
  const here = host === hostname() ? ['127.0.0.1'] : [];
  const order = [...new Set([...here, ...addresses])];
  let last = '';
  for (const end = Date.now() + timeout; Date.now() < end; await sleep(100))
    for (const address of order) {
      try {
        return await attempt(address, port, Math.max(500, Math.min(3000, end - Date.now())));
      } catch (error) {
        last = (error as Error).message;
      }
    }
  throw new BandliftError(
    `cannot reach rank 0 on ${host}`,
    {
      found: last,
      expected: `one of ${order.join(', ')} at port ${port}`,
      hint: 'look at firewalls between the nodes',
    },
    EXIT.failure,
  );
}

function attempt(address: string, port: number, timeout: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout });
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners();
      resolve(socket);
    });
    socket.once('timeout', () => socket.destroy(new Error(`${address}:${port} does not answer`)));
    socket.once('error', (error) => {
      socket.destroy();
      reject(error);
    });
  });
}
