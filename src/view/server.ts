/** The viewer's server: on the loopback address alone, read only, behind a random token. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BandliftError, EXIT } from '../base/errors.js';
import { crsName } from '../raster/crs.js';
import { openScene } from '../scenes/open.js';
import type { Scene } from '../scenes/types.js';
import { admit } from './guard.js';
import { answer } from './routes.js';
import { type Role, tileCache, ViewedScene } from './viewed_scene.js';

export interface ViewerOptions {
  readonly files: readonly string[];
  readonly truth?: string;
  readonly uncertainty?: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** Told of what goes wrong while answering, in one line. */
  readonly warn?: (text: string) => void;
}

export interface Viewer {
  /** With the token. */
  readonly address: string;
  readonly port: number;
  readonly scenes: readonly ViewedScene[];
  close(): Promise<void>;
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

async function openAll(options: ViewerOptions): Promise<ViewedScene[]> {
  const wanted: [Role, string][] = options.files.map((file) => ['scene', file]);
  if (options.truth !== undefined) wanted.push(['truth', options.truth]);
  if (options.uncertainty !== undefined) wanted.push(['uncertainty', options.uncertainty]);
  const cache = tileCache();
  const scenes: ViewedScene[] = [];
  try {
    for (const [role, file] of wanted) scenes.push(new ViewedScene(scenes.length, role, await openScene(file), cache));
    checkUncertainty(scenes);
  } catch (error) {
    await Promise.all(scenes.map((scene) => scene.close()));
    throw error;
  }
  return scenes;
}

/** Deviations have the bands of the first cube, intervals twice as many; both lie where it does. */
function checkUncertainty(scenes: readonly ViewedScene[]): void {
  const found = scenes.find(({ role }) => role === 'uncertainty')?.scene;
  const first = scenes[0]!.scene;
  if (found === undefined) return;
  const { bands } = first;
  if (found.bands !== bands && found.bands !== 2 * bands)
    throw new BandliftError('does not belong to the first cube', {
      file: found.path,
      field: 'bands',
      found: found.bands,
      expected: `${bands} (deviations) or ${2 * bands} (lower and upper bounds)`,
    });
  const bothOnMap = found.georeference && first.georeference;
  const place = (scene: Scene) =>
    bothOnMap ? crsName(scene.georeference!.crsWkt) : `${scene.height} x ${scene.width} pixels`;
  // by relative position it would be drawn around spectra of other places
  if (place(found) !== place(first))
    throw new BandliftError('does not lie where the first cube does', {
      file: found.path,
      found: place(found),
      expected: place(first),
    });
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${reason}\n`);
}

/**
 * Opens the scenes and starts to answer.
 * Errors: BandliftError in one line for a file that cannot be opened and a port that is taken.
 */
export async function startViewer(options: ViewerOptions): Promise<Viewer> {
  const scenes = await openAll(options);
  const token = randomBytes(16).toString('hex');
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = admit(request, token);
    if ('status' in asked) return refuse(response, asked.status, asked.reason);
    try {
      const found = await answer(scenes, asked.path, asked.query);
      if (found === undefined) return refuse(response, 404, 'nothing here');
      response.writeHead(200, { ...HEADERS, 'Content-Type': found.type, ...found.headers });
      response.end(found.body);
    } catch (error) {
      const ours = error instanceof BandliftError;
      if (!ours) options.warn?.(String(error));
      refuse(response, ours ? 400 : 500, ours ? error.message : 'a defect of bandlift; the terminal says more');
    }
  };
  const server = createServer((request, response) => void handle(request, response));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, '127.0.0.1', () => resolve());
    });
  } catch (error) {
    await Promise.all(scenes.map((scene) => scene.close()));
    throw portError(error, options.port);
  }
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}/${token}/`,
    port,
    scenes,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all(scenes.map((scene) => scene.close()));
    },
  };
}

function portError(error: unknown, port: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return error;
  return new BandliftError(
    code === 'EACCES' ? 'this port needs more rights' : 'another program uses this port',
    { field: '--port', found: port, hint: 'leave --port out, and a free one is taken' },
    EXIT.usage,
  );
}
