/**
 * Who may ask the viewer: whoever knows the token, from this machine or through a tunnel to it. A page of another origin, or a name
 * of somebody's own that is made to point here (DNS rebinding), is refused.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Names of the loopback address; a tunnel may give it another port. */
const NAMES = new Set(['127.0.0.1', 'localhost', '[::1]']);

const same = (a: string, b: string) => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

/** Why a request is refused, or what it asks for: the path after the token, without its question mark. */
export function admit(
  request: IncomingMessage,
  token: string,
): Refusal | { readonly path: string; readonly query: URLSearchParams } {
  const { host = '', origin } = request.headers;
  if (!NAMES.has(host.toLowerCase().replace(/:\d+$/, '')))
    return { status: 403, reason: `Host ${JSON.stringify(host)} is not this machine; open http://127.0.0.1:PORT/...` };
  if (origin !== undefined && origin !== `http://${host}`)
    return { status: 403, reason: `a page of ${JSON.stringify(origin)} may not ask here` };
  if (request.headers['sec-fetch-site'] === 'cross-site' && request.headers['sec-fetch-mode'] !== 'navigate')
    return { status: 403, reason: 'a page of another site may not ask here' };
  if (request.method !== 'GET')
    return { status: 405, reason: `${request.method} is not allowed: this server only shows` };
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const [, given = '', ...rest] = path.split('/');
  if (!same(given, token))
    return { status: 403, reason: 'the token is missing or wrong; use the whole address that `bandlift view` printed' };
  return { path: rest.join('/'), query: new URLSearchParams(query) };
}
