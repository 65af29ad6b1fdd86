import { createHash } from 'node:crypto';
import { type Endpoint, type EndpointId, PATH_ID, type Permission, TOPIC_PERMISSIONS } from '@sworn/contract';
import type { Topic } from '@sworn/evidence';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessEvent } from '../access/accessRecord.js';
import type { Authenticate } from '../access/authenticate.js';
import { type Credential, nameOf } from '../access/credential.js';
import { timestamp } from '../access/keys.js';
import type { Leave } from '../access/recorder.js';
import { invalidParameter, Refusal } from '../access/refusal.js';
import { described, type Grant, maySee, type Ruling } from '../access/ruling.js';
import type { ReadDeps, Reading } from '../read/reading.js';
import { bounded, type Bounded } from './bounds.js';
import { type Caller, callerOf } from './caller.js';
import { type Coding, codingFor, encode } from './coding.js';
import { readWithin } from './keyRange.js';
import { ndjson, wantsNdjson } from './ndjson.js';
import { loggable } from '../loggable.js';
import { type Networks, networkOf } from '../networks.js';
import { refusalOf, sendProblem } from './problem.js';
import { type Answer, ITEMS, QUESTIONS, type Question } from './questions.js';
import { demandRate, type RateDeps } from './rates.js';
import { noRoom, refuse, type RefuseDeps } from './refuse.js';

/** What answering needs. */
export interface OrderDeps extends RefuseDeps, RateDeps {
  readonly authenticate: Authenticate;
  readonly ruling: Ruling;
  readonly read: ReadDeps;
  readonly trustedProxies: Networks;
}

/** What answering needs of the facade it belongs to. */
export interface Answering extends OrderDeps {
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
function credentialHeaders(request: FastifyRequest): Readonly<Record<string, readonly string[] | undefined>> {
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

/** An endpoint, ready to read its query. */
export interface ReadyEndpoint {
  readonly endpoint: Endpoint & { readonly id: EndpointId };
  readonly readQuery: (search: string) => Question['query'];
}

/** Answers a request of an endpoint, whole or as a stream. */
export function answerInOrder(
  deps: Answering,
  ready: ReadyEndpoint,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { id, permission } = ready.endpoint;
  return inOrder(deps, { id, permission, request, reply }, async (admitted) => {
    const isStream = ITEMS[ready.endpoint.id] !== undefined && wantsNdjson(request.headers.accept);
    const asked = ask(ready, admitted);
    const { query, handOut } = bounded(
      { cursorKey: deps.read.cursorKey, now: deps.now },
      { endpoint: ready.endpoint, grant: admitted.grant, query: asked.query },
    );
    const question = { ...asked, query: isStream ? uncounted(query) : query };
    const reading = await readWithin(deps.read, question, () => QUESTIONS[ready.endpoint.id](deps.read, question));
    return (isStream ? stream : answer)(deps, { ...admitted, ready, question, handOut, reading });
  });
}

/** Parameters of the path, then of the query. @throws Refusal */
function ask({ endpoint, readQuery }: ReadyEndpoint, { request, caller, grant }: Admitted): Question {
  const params = request.params as Record<string, string>;
  for (const name of endpoint.params) {
    if (!PATH_ID.test(params[name] ?? '')) throw new Refusal('not_found', 'there is no such record');
  }
  return { grant, params, query: readQuery(caller.query ?? '') };
}

/** A stream says at its end how many there were; counting all that match before each of its pages would cost more than they do. */
function uncounted(query: Question['query']): Question['query'] {
  const { include_total: _, ...others } = query;
  return others;
}

interface Answer200 extends Admitted {
  readonly ready: ReadyEndpoint;
  readonly question: Question;
  readonly handOut: Bounded['handOut'];
  readonly reading: Reading<Answer>;
}

/** Under which the serialiser of an answer with `format=ocsf` stands beside that of 200: it never is a status. */
export const OCSF_ANSWER = '2xx';

async function answer(deps: OrderDeps, a: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const serialise = a.reply.getSerializationFunction(a.question.query.format === 'ocsf' ? OCSF_ANSWER : '200');
  if (serialise === undefined) throw new Error(`${endpoint.id} has no serialiser`);
  const { provisional, next_cursor: next = null } = a.reading.answer;
  const shown = next === null ? a.reading.answer : { ...a.reading.answer, next_cursor: a.handOut(next) };
  const bytes = Buffer.from(serialise(shown), 'utf8');
  return sendRecorded(deps, a, {
    bytes,
    type: 'application/json; charset=utf-8',
    coding: codingFor(a.request.headers['accept-encoding'], bytes.length),
    // A trace is by id too; what an open run says changes with every step, and is no representation to hold on to.
    isSettled: endpoint.shape === 'record' || (endpoint.shape === 'long' && provisional === false),
    count: a.reading.count,
    said: saidOf(a),
    headers: {
      'sworn-log-sizes': logSizes(a),
      vary: 'accept-encoding, accept',
      'cache-control': endpoint.shape === 'long' || a.reading.holdsContent === true ? 'no-store' : 'private, no-cache',
    },
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
export async function sendRecorded(deps: OrderDeps, a: Admitted, whole: Whole): Promise<FastifyReply> {
  const { bytes, type, coding, isSettled, count, said, headers } = whole;
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

async function stream(deps: Answering, a: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const { reply, request, question } = a;
  await deps.recordAccess({ ...allowed(deps, a, saidOf(a)), status: 200, count: null, answer: null, fold: null });
  a.leave();
  const coding = codingFor(request.headers['accept-encoding'], Number.POSITIVE_INFINITY);
  reply
    .header('sworn-log-sizes', logSizes(a))
    .header('vary', 'accept-encoding, accept')
    .header('cache-control', 'no-store')
    .type('application/x-ndjson');
  if (coding !== 'identity') reply.header('content-encoding', coding);
  if (request.method === 'HEAD') return reply.send();
  return reply.send(
    ndjson({
      coding,
      first: a.reading,
      items: ITEMS[endpoint.id] ?? 'items',
      async next(cursor) {
        // Whoever takes it slowly keeps it open for as long as he likes; his key may be revoked, or expire, meanwhile.
        await readmitted(deps, a);
        return QUESTIONS[endpoint.id](deps.read, { ...question, query: { ...question.query, cursor } });
      },
      ended: (end) =>
        deps.recordAccess({
          ...allowed(deps, a, saidOf(a)),
          kind: 'READ_ENDED',
          status: 200,
          complete: end.complete,
          reason: end.code,
          count: end.count,
          answer: end.checksum,
          at: timestamp(deps.now()),
          fold: null,
        }),
      opened(over) {
        deps.streams.add(over);
        void over.then(() => deps.streams.delete(over));
      },
      log: (error) => request.log.error(loggable(error), 'a stream broke'),
    }),
  );
}

/** Nothing that let it in may have ended. @throws Refusal */
async function readmitted(deps: OrderDeps, { id, caller, credential, grant, request }: Admitted): Promise<void> {
  const now =
    credential === null
      ? await deps.ruling.admitAnyone(id)
      : await deps.ruling.admit(await deps.authenticate(credentialHeaders(request), caller.source), id);
  if (now?.rule.id !== grant.rule.id) throw new Refusal('permission_denied', `${grant.rule.id} does not hold any more`);
}

/** What an access record says of what was asked for, and the sizes at which it was answered. */
type Said = Pick<AccessEvent, 'runId' | 'recordId' | 'filters' | 'pins'>;

function saidOf({ question, reading }: Answer200): Said {
  const { limit: _, cursor: __, ...filters } = question.query;
  const { run_id: runId = null, entry_id: recordId } = question.params;
  return { runId, ...(recordId !== undefined && { recordId }), filters, pins: reading.pins };
}

type Undecided = Omit<AccessEvent, 'status' | 'count' | 'answer' | 'fold'>;

function allowed(deps: OrderDeps, { id, permission, caller, credential, grant }: Admitted, said: Said): Undecided {
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
function names(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** Live sizes of the logs that this permission and key may read: `llm-runs=120, system=4`. */
function logSizes({ reading, permission, grant }: Answer200): string {
  const taken = permission === 'logs.audit' ? permission : 'logs.read';
  return reading.sizes
    .filter(({ topic }) => TOPIC_PERMISSIONS[topic] === taken && grant.logs?.has(topic) !== false)
    .map((s) => `${s.log}=${s.size}`)
    .join(', ');
}
