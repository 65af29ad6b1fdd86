import type { Permission } from '@sworn/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessEvent, Fold } from '../access/accessRecord.js';
import { type Credential, nameOf } from '../access/credential.js';
import { timestamp } from '../access/keys.js';
import type { AccessRecorder, RecordAccess } from '../access/recorder.js';
import { Refusal } from '../access/refusal.js';
import { loggable } from '../loggable.js';
import { networkOf } from '../networks.js';
import type { Caller } from './caller.js';
import { sendProblem } from './problem.js';

/** What refusing needs. */
export interface RefuseDeps {
  readonly recordAccess: RecordAccess;
  /** A place for a read whose record will have to be written; null: more wait than can be written soon. */
  readonly enter: AccessRecorder['enter'];
  /** Whose log holds refusals of callers nobody knows. */
  readonly platformTenant: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A refusal to record and to send. */
export interface Refusing {
  readonly caller: Caller;
  /** Null: nobody knows who asked. */
  readonly credential: Credential | null;
  readonly endpoint: string;
  readonly permission: Permission | null;
  /** Id of the access rule that let it in; null: none did. */
  readonly rule: string | null;
  /** Path parameters of the matched route; null: none matched. */
  readonly params: unknown;
  readonly refusal: Refusal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Records a refusal, then sends it. One that cannot be recorded is sent as 503. */
export async function refuse(deps: RefuseDeps, r: Refusing): Promise<FastifyReply> {
  const { caller, credential, endpoint, refusal } = r;
  const tenantId = credential?.tenantId ?? deps.platformTenant;
  const leave = deps.enter(tenantId);
  // What cannot be recorded is answered 503, whatever else was wrong with it.
  if (leave === null) return sendProblem(r.reply, noRoom());
  let sent = refusal;
  try {
    await deps.recordAccess({
      kind: 'READ',
      tenantId,
      ...caller,
      // What nobody's credential asked for is kept by place and minute alone.
      query: credential === null ? null : caller.query,
      correlationId: credential === null ? null : caller.correlationId,
      view: credential === null ? null : caller.view,
      endpoint,
      credential: credential === null ? null : nameOf(credential),
      permission: r.permission,
      rule: refusal.rule ?? r.rule,
      decision: 'DENY',
      reason: refusal.code,
      status: refusal.status,
      runId: null,
      filters: credential === null ? {} : askedOf(r.params),
      pins: [],
      count: null,
      answer: null,
      at: timestamp(deps.now()),
      fold: foldOf(caller, credential, refusal),
    });
  } catch (error) {
    r.request.log.error(
      loggable(error instanceof Refusal ? (error.cause ?? error) : error),
      'a refusal could not be recorded',
    );
    if (refusal.status < 500) {
      sent = error instanceof Refusal ? error : new Refusal('unavailable', 'the read could not be recorded');
    }
  } finally {
    leave();
  }
  return sendProblem(r.reply, sent);
}

/** A compromised record is answered with its stored bytes: that is content, and content has a record of its own. */
function foldOf(caller: Caller, credential: Credential | null, refusal: Refusal): Fold | null {
  const network = networkOf(caller.source);
  if (credential === null) return { by: 'source', network };
  return refusal.compromised === null ? { by: 'refusal', network } : null;
}

/** What the path named; the rest of a path of tiles as `tile`. It names nothing here and may be anything, a person's name too: it stands as tokens. */
function askedOf(params: unknown): AccessEvent['filters'] {
  if (typeof params !== 'object' || params === null) return {};
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name === '*' ? 'tile' : name, String(value)]),
  );
}

/** More reads wait to be recorded than can be. */
export function noRoom(): Refusal {
  return new Refusal('unavailable', 'more reads wait to be recorded than can be written soon');
}
