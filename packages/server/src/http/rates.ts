import type { FastifyReply } from 'fastify';
import type { Credential } from '../access/credential.js';
import { beyond, rateHeaders, type RateLimits, type Standing } from '../access/rateLimits.js';
import { Refusal } from '../access/refusal.js';

/** What limiting needs. */
export interface RateDeps {
  /** Nobody is limited unless told otherwise. */
  readonly rates?: RateLimits;
}

/** Counts a request of an address, before anything else is done for it. Null: it is within its limit. The answer says how it stands, whatever it is. */
export function refusalOfAddress({ rates }: RateDeps, source: string, reply: FastifyReply): Refusal | null {
  return refusalOf(rates?.ofAddress(source) ?? null, reply);
}

/** Counts a request of a credential that is verified. @throws Refusal `rate_limited` */
export function demandRate({ rates }: RateDeps, credential: Credential, reply: FastifyReply): void {
  const refusal = refusalOf(rates?.ofCredential(credential) ?? null, reply);
  if (refusal !== null) throw refusal;
}

function refusalOf(standing: Standing | null, reply: FastifyReply): Refusal | null {
  if (standing === null) return null;
  for (const [name, value] of Object.entries(rateHeaders([standing]))) {
    const before = reply.getHeader(name);
    reply.header(name, typeof before === 'string' ? `${before}, ${value}` : value);
  }
  return standing.isOver ? new Refusal('rate_limited', beyond(standing), { retryAfter: standing.resetSeconds }) : null;
}
