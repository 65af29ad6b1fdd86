import { type Problem, PROBLEMS, problemPage } from '@sworn/contract';
import { base64 } from '@sworn/evidence';
import type { FastifyReply } from 'fastify';
import { Refusal } from '../access/refusal.js';
import { isStatementTimeout, isTransient } from '../store/database.js';

/** Whatever was thrown, as a refusal. What is not one of ours says nothing of itself to the caller. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isTransient(error) || isStatementTimeout(error)) {
    return new Refusal('unavailable', 'the database is away or overloaded', { retryAfter: 2 });
  }
  return new Refusal('internal', 'something failed that should not; the log names this instance');
}

/** RFC 9457. */
export function problemOf(refusal: Refusal, requestId: string): Problem {
  const { code, compromised } = refusal;
  return {
    type: problemPage(code),
    title: PROBLEMS[code].title,
    status: refusal.status,
    detail: refusal.message,
    instance: requestId,
    code,
    ...(refusal.errors.length === 0 ? {} : { errors: [...refusal.errors] }),
    ...(compromised === null ? {} : { finding: compromised.finding, leaf: base64(compromised.leaf) }),
  };
}

/** Sends a refusal. Carries no ETag and no evidence metadata. */
export function sendProblem(reply: FastifyReply, refusal: Refusal): FastifyReply {
  if (refusal.status === 401) reply.header('www-authenticate', 'Bearer realm="sworn"');
  if (refusal.status === 405) reply.header('allow', 'GET, HEAD');
  if (refusal.retryAfter !== null) reply.header('retry-after', String(refusal.retryAfter));
  reply.header('cache-control', 'no-store').code(refusal.status).type('application/problem+json');
  // Bytes are sent as they are: a problem never depends on the serialiser of the route that failed.
  return reply.send(Buffer.from(JSON.stringify(problemOf(refusal, reply.request.id)), 'utf8'));
}
