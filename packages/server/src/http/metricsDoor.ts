import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Refusal } from '../access/refusal.js';
import { isLoopback, unmapped } from '../networks.js';

/** Who may read `/metrics`. */
export interface MetricsAccess {
  /** Null: this machine alone. */
  readonly token: string | null;
  /** A proxy stands in front: an address of loopback says nothing of who asks. */
  readonly proxied: boolean;
}

/** Why this request is not told the metrics; null: it is. They name no tenant, but say how much there is to do. */
export function refusalOfMetrics(request: FastifyRequest, { token, proxied }: MetricsAccess): Refusal | null {
  if (token !== null) {
    if (isSame(/^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '', token)) return null;
    return new Refusal('not_authenticated', 'metrics are read with SWORN_METRICS_TOKEN as bearer token');
  }
  if (!proxied && isLoopback(unmapped(request.raw.socket.remoteAddress ?? ''))) return null;
  return new Refusal(
    'not_authenticated',
    'metrics are read on this machine itself, or with a bearer token where SWORN_METRICS_TOKEN is set',
  );
}

/** Takes as long for a guess that is nearly right, and of another length. */
function isSame(guess: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(guess), digest(token));
}
