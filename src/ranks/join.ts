/** From a started process to its place among the ranks: transport, cross checks, watch. */
import { hostname } from 'node:os';
import { loadAddon } from '../../bindings/load.js';
import { BandliftError, EXIT } from '../base/errors.js';
import { version } from '../base/version.js';
import { type Communicator, gatherTexts } from './communicator.js';
import { RankGroup } from './group.js';
import { openMpi } from './mpi.js';
import { type Placement, placementOf, type TcpPlacement } from './placement.js';
import { awaitMeeting, newNonce, ownAddresses, publishMeeting } from './rendezvous.js';
import { hostTcp, joinTcp } from './tcp.js';
import { Watch } from './watch.js';

/** ms for all ranks to come together: nodes of a job start one after another. */
const TOGETHER = 120_000;
/** ms for the last call: a rank that died there must not hold the others. */
const FAREWELL = 10_000;

export interface Ranks {
  readonly group: RankGroup;
  readonly watch: Watch;
  /** Host of each rank. */
  readonly hosts: readonly string[];
  /** Number of this rank on its host: which GPU it takes. */
  readonly localRank: number;
}

/**
 * Joins the ranks that this process was launched with; undefined where it is alone. Throws BandliftErrors (exit 1, 2). `tooLate` is
 * told where the ranks do not meet, and ends the process: this one waits inside MPI then.
 */
export async function joinRanks(
  stopAsked: () => boolean,
  tooLate: (problem: string) => void,
): Promise<Ranks | undefined> {
  const placement = placementOf(process.env);
  if (placement === undefined) return undefined;
  // until there is a watch, a rank that died leaves the others inside MPI
  const late = setTimeout(() => {
    const problem = `the ranks did not come together within ${TOGETHER / 1000} s; look for one that ended`;
    tooLate(`rank of ${placement.size} (${hostname()}): ${problem}`);
  }, TOGETHER + 5000);
  try {
    return await comeTogether(placement, stopAsked);
  } finally {
    clearTimeout(late);
  }
}

async function comeTogether(placement: Placement, stopAsked: () => boolean): Promise<Ranks> {
  const communicator = await open(placement);
  const { rank } = communicator;
  const all = await gatherTexts(communicator, JSON.stringify({ host: hostname(), version: version() }));
  const known = all.map((text) => JSON.parse(text) as { host: string; version: string });
  const other = known.findIndex((one) => one.version !== known[0]!.version);
  if (other > 0)
    throw new BandliftError(
      'ranks run different versions of bandlift',
      { field: `rank ${other} on ${known[other]!.host}`, found: known[other]!.version, expected: known[0]!.version },
      EXIT.failure,
    );
  const hosts = known.map(({ host }) => host);
  const watch = await Watch.begin(communicator, new Set(hosts).size === 1, TOGETHER);
  const localRank = hosts.slice(0, rank).filter((host) => host === hosts[rank]).length;
  return { group: new RankGroup(communicator, stopAsked), watch, hosts, localRank };
}

function open(placement: Placement): Promise<Communicator> {
  return placement.transport === 'mpi' ? openMpi(placement) : openTcp(placement);
}

async function openTcp({ rank, size, oneHost, file, host, port }: TcpPlacement): Promise<Communicator> {
  // at a port that was agreed on there is no other secret than the port
  const open = (host ?? '').padEnd(32).slice(0, 32);
  const nonce = file === undefined ? open : newNonce();
  const bind = oneHost ? '127.0.0.1' : '0.0.0.0';
  if (rank > 0) {
    const agreed = { host: host ?? '', addresses: [host ?? ''], port: port ?? 0, nonce };
    const meeting = file === undefined ? agreed : await awaitMeeting(file, TOGETHER);
    return joinTcp(rank, size, meeting, TOGETHER);
  }
  return hostTcp(size, { bind, port: port ?? 0, nonce, timeout: TOGETHER }, async (bound) => {
    const addresses = oneHost ? ['127.0.0.1'] : ownAddresses();
    if (file !== undefined) await publishMeeting(file, { host: hostname(), addresses, port: bound, nonce });
  });
}

/** Rank 0: ends the run in good order, with this exit code for all. */
export async function dismiss({ group, watch }: Ranks, code: number): Promise<void> {
  await watch.announceEnd(code);
  await farewell(group, watch);
}

/** The last call of a rank whose run is over. */
export async function farewell({ communicator }: RankGroup, watch: Watch): Promise<void> {
  const timer = setTimeout(() => loadAddon().exitNow(EXIT.failure), FAREWELL);
  await communicator.finish();
  clearTimeout(timer);
  await watch.close();
}

/** Ends this process and all others, wherever they wait. What there is to say is said. */
export async function giveUp({ watch }: Ranks, code: number): Promise<never> {
  await watch.fail(code);
  return loadAddon().exitNow(code);
}
