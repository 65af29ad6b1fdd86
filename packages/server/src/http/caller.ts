import { isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { addressOf, type Networks, unmapped } from '../networks.js';

/** What the transport says of a request; nothing of it is trusted. */
export interface Caller {
  readonly requestId: string;
  /** The socket's address, or that a trusted proxy names. */
  readonly source: string;
  readonly method: string;
  /** Query text as sent, without `?`; null for none. */
  readonly query: string | null;
  readonly userAgent: string | null;
  /** The client's claim, if it is well-formed. */
  readonly correlationId: string | null;
  /** The page view the client says it belongs to, if it is well-formed. */
  readonly view: string | null;
  /** What the client says it reads for, if it is well-formed. */
  readonly purpose: string | null;
}

const CORRELATION_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const VIEW = /^[A-Za-z0-9._:-]{1,64}$/;
/** A sentence in printable ASCII. */
const PURPOSE = /^[!-~][ -~]{0,255}$/;

/** Reads the caller of a request. */
export function callerOf(request: FastifyRequest, trustedProxies: Networks): Caller {
  const { headers } = request;
  const url = request.raw.url ?? '';
  const mark = url.indexOf('?');
  return {
    requestId: request.id,
    source: sourceOf(request.raw.socket.remoteAddress ?? 'unknown', headers['x-forwarded-for'], trustedProxies),
    method: request.method,
    query: mark < 0 || mark === url.length - 1 ? null : url.slice(mark + 1),
    userAgent: headers['user-agent'] ?? null,
    correlationId: claimOf(headers['x-correlation-id'], CORRELATION_ID),
    view: claimOf(headers['sworn-view'], VIEW),
    purpose: claimOf(headers['sworn-purpose'], PURPOSE),
  };
}

/** What a header claims. An ill-formed or repeated one is as if it were not there: it names nothing that is read, and a read does not fail for it. */
function claimOf(header: string | string[] | undefined, shape: RegExp): string | null {
  return typeof header === 'string' && shape.test(header) ? header : null;
}

/** The last address in X-Forwarded-For that no trusted proxy has; whoever is not one cannot choose his own. */
function sourceOf(socket: string, forwarded: string | string[] | undefined, trusted: Networks): string {
  let source = unmapped(socket);
  const hops = [forwarded ?? []].flat().join(',').split(',');
  while (trusted.has(source)) {
    const hop = addressOf(hops.pop() ?? '');
    if (hop === null) break;
    source = hop;
  }
  return source;
}

/** What of an address tells one caller from another: all of IPv4; of IPv6 the first 64 bits, since one host has all that follow. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').toLowerCase().split('::');
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  // A dotted end stands for two groups; it lies in the last 32 bits.
  const width = before.length + after.length + (address.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - width }, () => '0');
  const first = [...before, ...zeros, ...after].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${first.join(':')}::/64`;
}
