import { randomBytes } from 'node:crypto';

/** Where a producer sends to, and as whom. */
export interface Recipient {
  /** Base URL of OTLP over HTTP. */
  readonly otlpHttp: string;
  readonly ingestKey: string;
}

/** A span as OTLP/JSON has it. */
interface SpanJson {
  readonly traceId: string;
  readonly spanId: string;
  readonly [member: string]: unknown;
}

/** Spans of one request at most; a request is one batch of a log, so there are many. */
const SPANS_A_REQUEST = 60;

/**
 * What honest producers send: runs of an agent that calls a model and a tool, over one trace each; steps that come late, copies that
 * contradict the first, retries of the same bytes. None of it may ever be a finding.
 */
export async function sendRuns(to: Recipient, runs: number, instance: string): Promise<void> {
  const traces = Array.from({ length: runs }, () => randomBytes(16).toString('hex'));
  const spans = traces.flatMap((traceId, i) => runOf(traceId, i));
  for (let at = 0; at < spans.length; at += SPANS_A_REQUEST)
    await send(to, spans.slice(at, at + SPANS_A_REQUEST), instance);
}

/** A few runs whose producers contradict themselves: the same span with other content, the same bytes again, a step after the run was sealed. */
export async function sendContradictions(to: Recipient, settle: () => Promise<void>): Promise<void> {
  const traceId = randomBytes(16).toString('hex');
  const run = runOf(traceId, 1);
  await send(to, run, 'contradicting');
  await send(to, run, 'contradicting');
  const [, call] = run;
  if (call === undefined) throw new Error('a run without a call');
  await send(to, [{ ...call, name: 'chat another-model' }], 'contradicting');
  await settle();
  await send(to, [{ ...call, spanId: randomBytes(8).toString('hex'), name: 'chat late' }], 'contradicting');
  await settle();
}

/** Spans whose names and attributes look like records of Sworn's own: they are a producer's steps, and nothing else. */
export async function sendControlKinds(to: Recipient): Promise<void> {
  const now = nanos();
  const kinds = ['ERASURE', 'RETENTION', 'KEY_REVOKED', 'FINDING', 'HOLD_RELEASED'];
  const traceId = randomBytes(16).toString('hex');
  const spans = kinds.map((kind) => ({
    traceId,
    spanId: randomBytes(8).toString('hex'),
    name: kind,
    kind: 1,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
    attributes: attributes({ kind, by: 'sworn', log: 'control', 'sworn.kind': kind, 'sworn.by': 'sworn' }),
  }));
  await send(to, spans, 'impostor');
}

/** Log records: events of an audit and of a system, and one that is sent again with another text. */
export async function sendLogs(to: Recipient): Promise<void> {
  const record = (event: string, ordinal: number, told: Attributes) => ({
    timeUnixNano: nanos(),
    severityNumber: 9,
    body: { stringValue: `what happened, ${ordinal}` },
    attributes: attributes({ 'event.name': event, 'log.record.uid': `${event}-${ordinal}`, ...told }),
  });
  const audit = (ordinal: number) => ({
    'sworn.audit.action': 'reviewed',
    'sworn.audit.entity.type': 'case',
    'sworn.audit.entity.id': `case-${ordinal}`,
    'sworn.audit.actor.id': `user-${ordinal % 5}`,
    'sworn.audit.decision': ordinal % 2 === 0 ? 'allow' : 'deny',
    'sworn.audit.policy.id': 'policy-1',
    'sworn.audit.incident.id': `incident-${ordinal % 3}`,
  });
  const records = Array.from({ length: LOG_RECORDS }, (_, i) => [
    record('sworn.audit.event', i, audit(i)),
    record('sworn.system.config_change', i, {}),
  ]).flat();
  await sendRecords(to, records);
  await sendRecords(to, [{ ...record('sworn.audit.event', 1, audit(1)), body: { stringValue: 'something else' } }]);
}

/** Of each of two kinds: a row for every column of their tables. */
const LOG_RECORDS = 24;

async function sendRecords(to: Recipient, logRecords: readonly object[]): Promise<void> {
  const scopeLogs = [{ scope: { name: 'campaign' }, logRecords }];
  await post(to, 'logs', { resourceLogs: [{ resource: resourceOf('one'), scopeLogs }] });
}

/** Sends one request of spans. */
async function send(to: Recipient, spans: readonly SpanJson[], instance: string): Promise<void> {
  const scopeSpans = [{ scope: { name: 'campaign' }, spans }];
  await post(to, 'traces', { resourceSpans: [{ resource: resourceOf(instance), scopeSpans }] });
}

function resourceOf(instance: string): object {
  return { attributes: attributes({ 'service.name': 'desk', 'service.instance.id': instance }) };
}

/** Sends one request and demands that it is acknowledged. */
async function post({ otlpHttp, ingestKey }: Recipient, what: 'traces' | 'logs', message: object): Promise<void> {
  const body = JSON.stringify(message);
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${ingestKey}` };
  const answer = await fetch(`${otlpHttp}/v1/${what}`, { method: 'POST', headers, body });
  const said = await answer.text();
  if (answer.status !== 200) throw new Error(`a request was refused: ${answer.status} ${said}`);
}

function runOf(traceId: string, ordinal: number): SpanJson[] {
  const now = nanos();
  const rootId = randomBytes(8).toString('hex');
  const span = (name: string, parentSpanId: string | null, told: Attributes): SpanJson => ({
    traceId,
    spanId: parentSpanId === null ? rootId : randomBytes(8).toString('hex'),
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name,
    kind: 3,
    startTimeUnixNano: now,
    endTimeUnixNano: String(BigInt(now) + 5_000_000n),
    attributes: attributes(told),
    status: { code: 1 },
  });
  return [
    span('invoke_agent clerk', null, {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'clerk',
      'gen_ai.agent.id': 'clerk-1',
      'gen_ai.conversation.id': `talk-${ordinal % 7}`,
      'user.id': `user-${ordinal % 5}`,
      'sworn.policy.ids': ['policy-1'],
    }),
    span('chat gpt-5', rootId, {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.usage.input_tokens': 12,
      'gen_ai.input.messages': `[{"role":"user","parts":[{"type":"text","content":"Case ${ordinal}?"}]}]`,
    }),
    span('execute_tool lookup', rootId, { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'lookup' }),
  ];
}

type Attributes = Readonly<Record<string, string | number | readonly string[]>>;

function attributes(of: Attributes): object[] {
  return Object.entries(of).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: Attributes[string]): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'number') return { intValue: String(value) };
  return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } };
}

function nanos(): string {
  return String(BigInt(Date.now()) * 1_000_000n);
}
