import { type Endpoint, type EndpointId, PATH_ID, TOPIC_PERMISSIONS } from '@sworn/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { timestamp } from '../access/keys.js';
import { Refusal } from '../access/refusal.js';
import type { Reading } from '../read/reading.js';
import { askBundleFor } from './askBundle.js';
import { bounded, type Bounded } from './bounds.js';
import { clearOf } from './clear.js';
import { codingFor } from './coding.js';
import { readWithin } from './keyRange.js';
import { linesOf, ndjson, type NdjsonOptions, wantsNdjson } from './ndjson.js';
import { loggable } from '../loggable.js';
import {
  type Admitted,
  allowed,
  type Answering,
  inOrder,
  inTurn,
  readmitted,
  type Said,
  sendRecorded,
} from './order.js';
import { type Answer, ITEMS, QUESTIONS, type Question } from './questions.js';
import { type Held, untaken } from './unsent.js';

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
    const asked = ask(deps, ready, admitted);
    const { query, handOut } = bounded(
      { cursorKey: deps.read.cursorKey, now: deps.now },
      { endpoint: ready.endpoint, grant: admitted.grant, query: asked.query },
    );
    const question = { ...asked, query: isStream ? uncounted(query) : query };
    const reading = await inTurn(deps, admitted, () =>
      readWithin(deps.read, question, () => QUESTIONS[ready.endpoint.id](deps.read, question)),
    );
    if (isStream) return stream(deps, { ...admitted, ready, question, handOut, reading });
    return answer(deps, { ...admitted, ready, question, handOut, reading: await inClear(deps, question, reading) });
  });
}

/** Parameters of the path, then of the query. @throws Refusal */
function ask(deps: Answering, { endpoint, readQuery }: ReadyEndpoint, admitted: Admitted): Question {
  const { request, caller, grant } = admitted;
  const params = request.params as Record<string, string>;
  for (const name of endpoint.params) {
    if (!PATH_ID.test(params[name] ?? '')) throw new Refusal('not_found', 'there is no such record');
  }
  const query = readQuery(caller.query ?? '');
  return { grant, params, query, askBundle: askBundleFor(deps, admitted, query) };
}

/**
 * For whoever may see contents: whom the tokens stand for, beside the metadata. Pages alone say it: what is streamed, or in a format of
 * others, goes on to other systems, which erasure does not reach.
 */
async function inClear(
  { read }: Answering,
  { grant, query }: Question,
  reading: Reading<Answer>,
): Promise<Reading<Answer>> {
  if (grant.payloads !== 'full' || query.format === 'ocsf') return reading;
  const clear = await clearOf(read.directory, grant.tenantId, reading.answer);
  const holdsContent = reading.holdsContent === true || Object.keys(clear).length > 0;
  return { ...reading, answer: { ...reading.answer, clear }, holdsContent };
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

async function answer(deps: Answering, a: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const serialise = a.reply.getSerializationFunction(a.question.query.format === 'ocsf' ? OCSF_ANSWER : '200');
  if (serialise === undefined) throw new Error(`${endpoint.id} has no serialiser`);
  const { provisional, next_cursor: next = null } = a.reading.answer;
  const shown = next === null ? a.reading.answer : { ...a.reading.answer, next_cursor: a.handOut(next) };
  const bytes = Buffer.from(serialise(shown), 'utf8');
  const { retryAfter } = a.reading;
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
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      'cache-control': endpoint.shape === 'long' || a.reading.holdsContent === true ? 'no-store' : 'private, no-cache',
    },
  });
}

/** The first page is held as lines alone: `reading` is kept by nothing that lives as long as the stream. */
async function stream(deps: Answering, { reading, ...a }: Answer200): Promise<FastifyReply> {
  const { endpoint } = a.ready;
  const { reply, request } = a;
  const items = ITEMS[endpoint.id] ?? 'items';
  const held = deps.unsent.of(a.grant.tenantId, reply.raw);
  const first = linesOf(reading.answer, items);
  if (!held.set(first.bytes)) throw untaken();
  const said = saidOf({ ...a, reading });
  await deps.recordAccess({ ...allowed(deps, a, said), status: 200, count: null, answer: null, fold: null });
  a.leave();
  const coding = codingFor(request.headers['accept-encoding'], Number.POSITIVE_INFINITY);
  reply
    .header('sworn-log-sizes', logSizes({ ...a, reading }))
    .header('vary', 'accept-encoding, accept')
    .header('cache-control', 'no-store')
    .type('application/x-ndjson');
  if (coding !== 'identity') reply.header('content-encoding', coding);
  if (request.method === 'HEAD') return reply.send();
  return reply.send(ndjson(streamOf(deps, a, { coding, first, items, held, said })));
}

interface Begun extends Pick<NdjsonOptions, 'coding' | 'first'> {
  readonly items: string;
  readonly held: Held;
  readonly said: Said;
}

/** How a stream goes on after its first page, and how its end is recorded. */
function streamOf(
  deps: Answering,
  a: Omit<Answer200, 'reading'>,
  { coding, first, items, held, said }: Begun,
): NdjsonOptions {
  const { request, question } = a;
  const { id } = a.ready.endpoint;
  return {
    coding,
    first,
    async next(cursor) {
      // Whoever takes it slowly keeps it open for as long as he likes; his key may be revoked, or expire, meanwhile.
      await readmitted(deps, a);
      held.set(0);
      const further = { ...question, query: { ...question.query, cursor } };
      const page = await inTurn(deps, a, async () => {
        const { answer } = await QUESTIONS[id](deps.read, further);
        return linesOf(answer, items);
      });
      if (!held.set(page.bytes)) throw untaken();
      return page;
    },
    ended: (end) =>
      deps.recordAccess({
        ...allowed(deps, a, said),
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
  };
}

function saidOf({ question, reading }: Answer200): Said {
  const { limit: _, cursor: __, ...filters } = question.query;
  const { run_id: runId = null, entry_id: recordId } = question.params;
  return { runId, ...(recordId !== undefined && { recordId }), filters, pins: reading.pins };
}

/** Live sizes of the logs that this permission and key may read: `llm-runs=120, system=4`. */
function logSizes({ reading, permission, grant }: Answer200): string {
  const taken = permission === 'logs.audit' ? permission : 'logs.read';
  return reading.sizes
    .filter(({ topic }) => TOPIC_PERMISSIONS[topic] === taken && grant.logs?.has(topic) !== false)
    .map((s) => `${s.log}=${s.size}`)
    .join(', ');
}
