import { createHash } from 'node:crypto';
import { type Endpoint, type EndpointId, PATH_ID, type Permission } from '@sworn/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AccessEvent, Fold } from '../access/accessRecord.js';
import type { Authenticate } from '../access/authenticate.js';
import type { Credential } from '../access/credential.js';
import { timestamp } from '../access/keys.js';
import type { AccessRecorder, Leave, RecordAccess } from '../access/recorder.js';
import { invalidParameter, Refusal } from '../access/refusal.js';
import type { ReadDeps, Reading } from '../read/reading.js';
import { type Caller, callerOf, networkOf } from './caller.js';
import { codingFor, encode } from './coding.js';
import { ndjson, wantsNdjson } from './ndjson.js';
import { loggable } from '../loggable.js';
import { refusalOf, sendProblem } from './problem.js';
import { type Answer, ITEMS, QUESTIONS, type Question } from './questions.js';

/** What answering needs. */
export interface OrderDeps {
  readonly authenticate: Authenticate;
  readonly recordAccess: RecordAccess;
  /** A place for a read whose record will have to be written; null: more wait than can be written soon. */
  readonly enter: AccessRecorder['enter'];
  readonly read: ReadDeps;
  /** Whose log holds refusals of callers nobody knows. */
  readonly platformTenant: string;
  readonly trustedProxies: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What answering needs of the facade it belongs to. */
export interface Answering extends OrderDeps {
  /** Streams that are not over; each resolves when its end is recorded. */
  readonly streams: Set<Promise<void>>;
}

/** An endpoint, ready to read its query. */
export interface ReadyEndpoint {
  readonly endpoint: Endpoint & { readonly id: EndpointId };
  readonly readQuery: (search: string) => Question['query'];
}

/**
 * Answers one request in the order that makes every read audited (CONTRACT.md §1): credential, permission, parameters, pin and read, access
 * record durable, and only then the first byte of the answer. Refusals are recorded in the same way.
 */
export async function answerInOrder(
  deps: Answering,
  ready: ReadyEndpoint,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { endpoint } = ready;
  const caller = callerOf(request, deps.trustedProxies);
  let credential: Credential | null = null;
  try {
    credential = await deps.authenticate(credentialHeaders(request));
    const leave = deps.enter(credential.tenantId);
    if (leave === null) return await sendProblem(reply, noRoom());
    try {
      const isStream = ITEMS[endpoint.id] !== undefined && wantsNdjson(request.headers.accept);
      const asked = ask(ready, request, caller, credential);
      const question = isStream ? uncounted(asked) : asked;
      const reading = await QUESTIONS[endpoint.id](deps.read, question);
      return await (isStream ? stream : answer)(deps, { ready, caller, question, reading, leave, request, reply });
    } finally {
      leave();
    }
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal.code === 'internal') request.log.error(loggable(error), 'a request failed');
    return refuse(deps, {
      caller,
      credential,
      endpoint: endpoint.id,
      permission: endpoint.permission,
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

/** Permission, then parameters. @throws Refusal */
function ask(ready: ReadyEndpoint, request: FastifyRequest, caller: Caller, credential: Credential): Question {
  const { endpoint } = ready;
  if (!credential.permissions.has(endpoint.permission)) {
    throw new Refusal('permission_denied', `a key of role ${credential.role} lacks ${endpoint.permission}`);
  }
  const { 'content-length': length, 'transfer-encoding': chunked } = request.headers;
  if ((length !== undefined && length !== '0') || chunked !== undefined)
    throw invalidParameter('body', 'a read takes no body');
  const params = request.params as Record<string, string>;
  for (const name of endpoint.params) {
    if (!PATH_ID.test(params[name] ?? '')) throw new Refusal('not_found', 'there is no such record');
  }
  return { credential, params, query: ready.readQuery(caller.query ?? '') };
}

/** A stream says at its end how many there were; counting all that match before each of its pages would cost more than they do. */
function uncounted(question: Question): Question {
  const { include_total: _, ...query } = question.query;
  return { ...question, query };
}

interface Answer200 {
  readonly ready: ReadyEndpoint;
  readonly caller: Caller;
  readonly question: Question;
  readonly reading: Reading<Answer>;
  /** Called when the read is recorded: whoever takes the answer slowly keeps no other from reading. */
  readonly leave: Leave;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function answer(deps: OrderDeps, a: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const { reply, request } = a;
  const serialise = reply.getSerializationFunction('200');
  if (serialise === undefined) throw new Error(`${endpoint.id} has no serialiser`);
  const bytes = Buffer.from(serialise(a.reading.answer), 'utf8');
  const digest = sha256Of(bytes);
  const coding = codingFor(request.headers['accept-encoding'], bytes.length);
  const { provisional } = a.reading.answer;
  // A trace is by id too; what an open run says changes with every step, and is no representation to hold on to.
  const isSettled = endpoint.shape === 'record' || (endpoint.shape === 'long' && provisional === false);
  const etag = isSettled ? `"${digest.slice(0, 32)}-${coding}"` : null;
  const isUnchanged = etag !== null && names(request.headers['if-none-match'], etag);
  const base = allowed(deps, a);
  await deps.recordAccess({
    ...base,
    status: isUnchanged ? 304 : 200,
    count: a.reading.count,
    answer: `sha256:${digest}`,
    fold: isUnchanged
      ? {
          by: 'poll',
          network: networkOf(a.caller.source),
          representation: sha256Of(JSON.stringify([base.runId, base.filters, digest])),
        }
      : null,
  });
  a.leave();
  reply
    .header('sworn-log-sizes', logSizes(a.reading, endpoint.permission))
    .header('vary', 'accept-encoding, accept')
    .header('cache-control', endpoint.shape === 'long' ? 'no-store' : 'private, no-cache');
  if (etag !== null) reply.header('etag', etag);
  if (isUnchanged) return reply.code(304).send();
  if (coding !== 'identity') reply.header('content-encoding', coding);
  return reply.type('application/json; charset=utf-8').send(await encode(coding, bytes));
}

async function stream(deps: Answering, a: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const { reply, request, question } = a;
  await deps.recordAccess({ ...allowed(deps, a), status: 200, count: null, answer: null, fold: null });
  a.leave();
  const coding = codingFor(request.headers['accept-encoding'], Number.POSITIVE_INFINITY);
  reply
    .header('sworn-log-sizes', logSizes(a.reading, endpoint.permission))
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
        await deps.authenticate(credentialHeaders(request));
        return QUESTIONS[endpoint.id](deps.read, { ...question, query: { ...question.query, cursor } });
      },
      ended: (end) =>
        deps.recordAccess({
          ...allowed(deps, a),
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

type Undecided = Omit<AccessEvent, 'status' | 'count' | 'answer' | 'fold'>;

function allowed(deps: OrderDeps, { ready, caller, question, reading }: Answer200): Undecided {
  const { credential, params, query } = question;
  const { limit: _, cursor: __, ...filters } = query;
  return {
    kind: 'READ',
    tenantId: credential.tenantId,
    ...caller,
    endpoint: ready.endpoint.id,
    credential: { keyId: credential.keyId, role: credential.role },
    permission: ready.endpoint.permission,
    decision: 'ALLOW',
    reason: null,
    runId: params.run_id ?? null,
    filters,
    pins: reading.pins,
    at: timestamp(deps.now()),
  };
}

/** A refusal to record and to send. */
export interface Refusing {
  readonly caller: Caller;
  /** Null: nobody knows who asked. */
  readonly credential: Credential | null;
  readonly endpoint: string;
  readonly permission: Permission | null;
  readonly params: unknown;
  readonly refusal: Refusal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Records a refusal, then sends it. One that cannot be recorded is sent as 503. */
export async function refuse(deps: OrderDeps, r: Refusing): Promise<FastifyReply> {
  const { caller, credential, endpoint, refusal } = r;
  const tenantId = credential?.tenantId ?? deps.platformTenant;
  const leave = deps.enter(tenantId);
  // What cannot be recorded is answered 503, whatever else was wrong with it.
  if (leave === null) return sendProblem(r.reply, noRoom());
  let sent = refusal;
  const asked =
    typeof r.params === 'object' && r.params !== null && 'run_id' in r.params ? String(r.params.run_id) : null;
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
      credential: credential === null ? null : { keyId: credential.keyId, role: credential.role },
      permission: r.permission,
      decision: 'DENY',
      reason: refusal.code,
      status: refusal.status,
      runId: null,
      // An id that names nothing here may be anything, a person's name too: it stands as a token.
      filters: credential === null || asked === null ? {} : { run_id: asked },
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

function noRoom(): Refusal {
  return new Refusal('unavailable', 'more reads wait to be recorded than can be written soon');
}

function sha256Of(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Whether If-None-Match names the tag (RFC 9110 13.1.2, weak comparison). */
function names(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** Live sizes of the logs this permission may read: `llm-runs=120, system=4`. */
function logSizes({ sizes }: Reading<Answer>, permission: Permission): string {
  const topics = permission === 'logs.audit' ? ['audit', 'access', 'control'] : ['llm-runs', 'system'];
  return sizes
    .filter((s) => topics.includes(s.topic))
    .map((s) => `${s.log}=${s.size}`)
    .join(', ');
}
