import { createHash } from 'node:crypto';
import { type Permission, TOPIC_PERMISSIONS } from '@sworn/contract';
import type { Topic } from '@sworn/evidence';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessEvent } from '../access/accessRecord.js';
import type { Authenticate } from '../access/authenticate.js';
import { type Credential, nameOf } from '../access/credential.js';
import { timestamp } from '../access/keys.js';
import type { Leave } from '../access/recorder.js';
import { invalidParameter, Refusal } from '../access/refusal.js';
import { described, type Grant, maySee, type Ruling } from '../access/ruling.js';
import type { ReadDeps } from '../read/reading.js';
import type { BundleDeps } from './askBundle.js';
import { type Caller, callerOf } from './caller.js';
import { type Coding, encode } from './coding.js';
import { loggable } from '../loggable.js';
import { type Networks, networkOf } from '../networks.js';
import { refusalOf, sendProblem } from './problem.js';
import { demandRate, type RateDeps } from './rates.js';
import { noRoom, refuse, type RefuseDeps } from './refuse.js';
import type { Turns } from './turns.js';
import { type Unsent, untaken } from './unsent.js';

/** What answering needs. */
export interface OrderDeps extends RefuseDeps, RateDeps {
  readonly bundles: BundleDeps;
  readonly authenticate: Authenticate;
  readonly ruling: Ruling;
  readonly read: ReadDeps;
  readonly trustedProxies: Networks;
}

/** What answering needs of the facade it belongs to. */
export interface Answering extends OrderDeps {
  readonly turns: Turns;
  readonly unsent: Unsent;
  /** Streams that are not over; each resolves when its end is recorded. */
  readonly streams: Set<Promise<void>>;
}

/** A request at a route that has an access rule. */
export interface Arrived {
  /** Of the route, for access records. */
  readonly id: string;
  readonly permission: Permission;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** One that a rule lets in. */
export interface Admitted extends Arrived {
  readonly caller: Caller;
  /** Null: a rule lets in whoever shows none. */
  readonly credential: Credential | null;
  readonly grant: Grant;
  /** Called when the read is recorded: whoever takes the answer slowly keeps no other from reading. */
  readonly leave: Leave;
}

/**
 * Answers one request in the order that makes every read audited (CONTRACT.md §1): credential, rule, parameters, pin and read, access
 * record durable, and only then the first byte of the answer. Refusals are recorded in the same way. `answer` does what comes after the
 * rule; what it throws is refused.
 */
export async function inOrder(
  deps: OrderDeps,
  arrived: Arrived,
  answer: (admitted: Admitted) => Promise<FastifyReply>,
): Promise<FastifyReply> {
  const { id, permission, request, reply } = arrived;
  const caller = callerOf(request, deps.trustedProxies);
  let credential: Credential | null = null;
  let grant: Grant | null = null;
  try {
    // Whoever shows nothing is asked for a credential, unless a rule lets in anyone.
    if (showsNothing(request)) grant = await deps.ruling.admitAnyone(id);
    if (grant === null) credential = await deps.authenticate(credentialHeaders(request), caller.source);
    if (credential !== null) demandRate(deps, credential, reply);
    const leave = deps.enter(grant?.tenantId ?? credential?.tenantId ?? deps.platformTenant);
    if (leave === null) return await sendProblem(reply, noRoom());
    try {
      grant ??= await admitted(deps, credential, id);
      demandNoBody(request);
      return await answer({ ...arrived, caller, credential, grant, leave });
    } finally {
      leave();
    }
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal.code === 'internal') request.log.error(loggable(error), 'a request failed');
    return refuse(deps, {
      caller,
      credential,
      endpoint: id,
      permission,
      rule: grant?.rule.id ?? null,
      params: request.params,
      refusal,
      request,
      reply,
    });
  }
}

/** Node keeps only the first of a repeated Authorization header; the distinct ones show them all. */
export function credentialHeaders(request: FastifyRequest): Readonly<Record<string, readonly string[] | undefined>> {
  const { headersDistinct } = request.raw;
  return { authorization: headersDistinct.authorization, 'x-api-key': headersDistinct['x-api-key'] };
}

/** Headers that may hold a credential. */
const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'cookie'];

function showsNothing({ headers }: FastifyRequest): boolean {
  return CREDENTIAL_HEADERS.every((name) => headers[name] === undefined);
}

function admitted(deps: OrderDeps, credential: Credential | null, endpoint: string): Promise<Grant> {
  if (credential === null) throw new Error('a request without a credential was let in by no rule');
  return deps.ruling.admit(credential, endpoint);
}

/** Of an answer that goes on for long: nothing that let it in may have ended. @throws Refusal */
export async function readmitted(deps: OrderDeps, { id, caller, credential, grant, request }: Admitted): Promise<void> {
  const now =
    credential === null
      ? await deps.ruling.admitAnyone(id)
      : await deps.ruling.admit(await deps.authenticate(credentialHeaders(request), caller.source), id);
  if (now?.rule.id !== grant.rule.id) throw new Refusal('permission_denied', `${grant.rule.id} does not hold any more`);
}

/** @throws Refusal `permission_denied` */
export function demandTopic({ grant, credential }: Admitted, topic: Topic): void {
  if (maySee(grant, topic)) return;
  const who = credential === null ? 'whoever shows no credential' : described(credential);
  const permission = TOPIC_PERMISSIONS[topic];
  const why = `${who} ${grant.permissions.has(permission) ? 'is not for' : `lacks ${permission} for`} records of ${topic}`;
  throw new Refusal('permission_denied', `${grant.rule.id}: ${why}`, { rule: grant.rule.id });
}

function demandNoBody(request: FastifyRequest): void {
  const { 'content-length': length, 'transfer-encoding': chunked } = request.headers;
  if ((length !== undefined && length !== '0') || chunked !== undefined)
    throw invalidParameter('body', 'a read takes no body');
}

/** Looks for an answer when it is its tenant's turn, and there is room for it. @throws Refusal `unavailable` */
export function inTurn<T>({ turns, unsent }: Answering, { grant }: Admitted, look: () => Promise<T>): Promise<T> {
  return turns(grant.tenantId, () => {
    unsent.demandRoom(grant.tenantId);
    return look();
  });
}

/** An answer in one piece, and what its access record says of it. */
export interface Whole {
  readonly bytes: Buffer;
  readonly type: string;
  readonly coding: Coding;
  /** Whether it may be held on to: an ETag names it, and asking again for the same is a poll. */
  readonly isSettled: boolean;
  /** Records in it. */
  readonly count: number;
  readonly said: Said;
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends an answer once its access record is durable; 304 without the bytes when the caller has them. */
export async function sendRecorded(deps: Answering, a: Admitted, whole: Whole): Promise<FastifyReply> {
  const { bytes, type, coding, isSettled, count, said, headers } = whole;
  if (!deps.unsent.of(a.grant.tenantId, a.reply.raw).set(bytes.length)) throw untaken();
  const digest = sha256Of(bytes);
  const etag = isSettled ? `"${digest.slice(0, 32)}-${coding}"` : null;
  const isUnchanged = etag !== null && names(a.request.headers['if-none-match'], etag);
  await deps.recordAccess({
    ...allowed(deps, a, said),
    status: isUnchanged ? 304 : 200,
    count,
    answer: `sha256:${digest}`,
    fold: isUnchanged
      ? {
          by: 'poll',
          network: networkOf(a.caller.source),
          representation: sha256Of(JSON.stringify([said.runId, said.recordId, said.filters, digest])),
        }
      : null,
  });
  a.leave();
  a.reply.headers(headers);
  if (etag !== null) a.reply.header('etag', etag);
  if (isUnchanged) return a.reply.code(304).send();
  if (coding !== 'identity') a.reply.header('content-encoding', coding);
  return a.reply.type(type).send(await encode(coding, bytes));
}

/** What an access record says of what was asked for, and the sizes at which it was answered. */
export type Said = Pick<AccessEvent, 'runId' | 'recordId' | 'filters' | 'pins'>;

type Undecided = Omit<AccessEvent, 'status' | 'count' | 'answer' | 'fold'>;

/** The access record of a read that is let in. */
export function allowed(
  deps: OrderDeps,
  { id, permission, caller, credential, grant }: Admitted,
  said: Said,
): Undecided {
  return {
    kind: 'READ',
    tenantId: grant.tenantId,
    ...caller,
    endpoint: id,
    credential: credential === null ? null : nameOf(credential),
    permission,
    rule: grant.rule.id,
    decision: 'ALLOW',
    reason: null,
    ...said,
    at: timestamp(deps.now()),
  };
}

function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whether If-None-Match names the tag (RFC 9110 13.1.2, weak comparison). */
export function names(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
