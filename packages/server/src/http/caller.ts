import type { FastifyRequest } from 'fastify';
import { type Networks, sourceOf } from '../networks.js';

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
    query: mark < 0 || mark === url.length - 1 ? null : withoutLinks(url.slice(mark + 1)),
    userAgent: headers['user-agent'] ?? null,
    correlationId: claimOf(headers['x-correlation-id'], CORRELATION_ID),
    view: claimOf(headers['sworn-view'], VIEW),
    purpose: claimOf(headers['sworn-purpose'], PURPOSE),
  };
}

/** Query text is recorded and may be cited: what opens a bundle without a credential stands in none of it, wherever somebody sends it to. */
function withoutLinks(query: string): string {
  const pieces = query.split('&');
  return pieces.map((piece) => (isLink(piece) ? 'link=withheld' : piece)).join('&');
}

function isLink(piece: string): boolean {
  for (const [name, value] of new URLSearchParams(piece))
    return name === 'link' && value !== 'true' && value !== 'false';
  return false;
}

/** What a header claims. An ill-formed or repeated one is as if it were not there: it names nothing that is read, and a read does not fail for it. */
function claimOf(header: string | string[] | undefined, shape: RegExp): string | null {
  return typeof header === 'string' && shape.test(header) ? header : null;
}
