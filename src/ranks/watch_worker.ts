/**
 * The thread that watches over the ranks: a connection of each to rank 0, a beat every second. It is a thread of its own, so
 * that beats go on while JavaScript computes or a rank waits inside MPI, and so that it can end a process whose main thread
 * waits for a rank that is dead. A closed connection (the process died) is noticed at once, silence (its host died) after 8 s.
 */
import { writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { loadAddon } from '../../bindings/load.js';
import { connectTo } from './rendezvous.js';
import { BEAT, type FromWatch, type Line, SILENCE, type ToWatch, type WatchStart } from './watch_protocol.js';

const start = workerData as WatchStart;
const step = new Int32Array(start.step);
const tell = (message: FromWatch) => parentPort!.postMessage(message);

interface Peer {
  readonly rank: number;
  readonly host: string;
  readonly process: number;
  readonly socket: Socket;
  heard: number;
  step: number;
}

/** Rank 0: all others; others: rank 0. */
const peers = new Map<number, Peer>();
let ending = false;

const send = (socket: Socket, line: Line) => void (socket.writable && socket.write(`${JSON.stringify(line)}\n`));
const toAll = (line: Line) => {
  for (const { socket } of peers.values()) send(socket, line);
};

/** Leaves at once, after what was sent has had a moment. */
function leave(code: number): void {
  ending = true;
  setTimeout(() => loadAddon().exitNow(code), 200);
}

function say(text: string): void {
  const { exitNow } = loadAddon();
  try {
    // the error stream of a worker goes through the main thread, which may be waiting
    writeSync(2, `${text}\n`);
  } catch {
    exitNow(1);
  }
}

function dead({ rank, host, process: id, step: last, heard }: Peer, why: string): void {
  if (ending) return;
  const seconds = ((Date.now() - heard) / 1000).toFixed(0);
  const silent = why === 'silent' ? `has not been heard of for ${seconds} s` : 'is gone';
  const here = start.rank === 0 ? '' : `rank ${start.rank} (${start.host}): `;
  const others = start.rank === 0 ? '; ending the other ranks' : '';
  say(`error: ${here}rank ${rank} (host ${host}, process ${id}) ${silent}; its last step was ${last}${others}`);
  if (start.rank === 0) toAll({ kind: 'quit', code: 1 });
  leave(1);
}

/** Calls `take` for each line. */
function lines(socket: Socket, take: (line: Line) => void): void {
  let rest = '';
  socket.setNoDelay(true);
  socket.on('error', () => {}); // 'close' follows
  socket.on('data', (chunk) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop()!;
    if (rest.length > 10_000) socket.destroy(); // not one of us
    for (const part of parts) {
      try {
        take(JSON.parse(part) as Line);
      } catch {
        socket.destroy();
      }
    }
  });
}

function meet(socket: Socket, { rank, host, process }: { rank: number; host: string; process: number }): Peer {
  const peer = { rank, host, process, socket, heard: Date.now(), step: 0 };
  peers.set(rank, peer);
  socket.on('close', () => dead(peer, 'gone'));
  return peer;
}

function heard(peer: Peer, line: Line): void {
  peer.heard = Date.now();
  switch (line.kind) {
    case 'beat':
      peer.step = line.step;
      return;
    case 'begin':
      tell({ kind: 'begin' });
      return;
    case 'end':
      ending = true;
      tell({ kind: 'end', code: line.code });
      return;
    case 'quit':
      leave(line.code);
      return;
    case 'fail':
      if (ending) return;
      say(`ended: rank ${peer.rank} (host ${peer.host}, process ${peer.process}) failed at step ${peer.step}`);
      toAll({ kind: 'quit', code: line.code });
      leave(line.code);
      return;
    case 'hello':
  }
}

function host(): void {
  const server = createServer((socket) => {
    let peer: Peer | undefined;
    lines(socket, (line) => {
      if (peer) return heard(peer, line);
      if (line.kind !== 'hello' || line.nonce !== start.nonce) return void socket.destroy();
      peer = meet(socket, line);
      if (peers.size === start.size - 1) tell({ kind: 'joined' });
    });
  });
  server.on('error', (error) => tell({ kind: 'failed', message: error.message }));
  server.listen(0, start.bind, () => tell({ kind: 'listening', port: (server.address() as { port: number }).port }));
}

async function join({ meeting, timeout }: Extract<ToWatch, { kind: 'join' }>): Promise<void> {
  try {
    const socket = await connectTo(meeting, timeout);
    const peer = meet(socket, { rank: 0, host: meeting.host, process: meeting.process ?? 0 });
    lines(socket, (line) => heard(peer, line));
    send(socket, { kind: 'hello', nonce: start.nonce, rank: start.rank, host: hostname(), process: process.pid });
    tell({ kind: 'joined' });
  } catch (error) {
    tell({ kind: 'failed', message: (error as Error).message });
  }
}

parentPort!.on('message', (message: ToWatch) => {
  switch (message.kind) {
    case 'join':
      void join(message);
      return;
    case 'begin':
      toAll({ kind: 'begin' });
      return;
    case 'end':
      ending = true;
      toAll(message);
      tell({ kind: 'told' });
      return;
    case 'fail':
      if (start.rank === 0) toAll({ kind: 'quit', code: message.code });
      else toAll(message);
      ending = true;
      setTimeout(() => tell({ kind: 'told' }), 200);
  }
});

let last = Date.now();
setInterval(() => {
  toAll({ kind: 'beat', step: Atomics.load(step, 0) });
  const now = Date.now();
  // this process itself was stopped (Ctrl-Z, a suspended machine): what the others sent is still to be read
  const slept = now - last > 3 * BEAT;
  last = now;
  for (const peer of peers.values()) {
    if (slept) peer.heard = now;
    else if (now - peer.heard > SILENCE) dead(peer, 'silent');
  }
}, BEAT);

if (start.rank === 0) host();
