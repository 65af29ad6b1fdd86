import { decodeLeaf, encodeLeaf, type JsonValue } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp, type SpanText } from './facadeSpans.js';
import { type Line, logsRequest } from './logLines.js';
import type { LeafDraft } from '../src/record/draft.js';
import { recordedAtOffset } from '../src/record/ownLeaf.js';
import { createSealer } from '../src/seal/sealer.js';

const LIST = '/api/v1/logs/llm-runs';
/** When the spans of a run lie, in nanoseconds. */
const STARTED = 1_795_132_800_000_000_000n;
const DENY = { 'sworn.audit.category': 'POLICY_EVALUATION', 'sworn.audit.decision': 'deny' };

let house: House;
let tenant: string;
let key: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

const bytesOf = (id: string) => Buffer.from(id, 'hex');
const event = (attributes: Record<string, string>, more: Line = {}): Line => ({
  event: 'sworn.audit.event',
  attributes,
  ...more,
});
const incident = (run: string, id: string): Line => ({
  event: 'sworn.audit.incident.linked',
  attributes: { 'sworn.audit.run.id': run, 'sworn.audit.incident.id': id },
});
const tell = (...lines: readonly Line[]) =>
  house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });
const later = async (...lines: readonly Line[]) => {
  await tell(...lines);
  await house.seal(tenant);
};

/** A sealed run of these spans; the first is its root. */
async function run(...spans: readonly Omit<SpanText, 'traceId'>[]): Promise<string> {
  const traceId = newTrace();
  await house.ingest(tenant, otlp(spans.map((span) => ({ traceId, ...span }))));
  await house.seal(tenant);
  return traceId;
}

interface Envelope {
  readonly revision: number;
  readonly inflection: Readonly<Record<string, unknown>>;
  readonly metadata: { readonly policy_ids: string[]; readonly incident_ids: string[] };
  readonly execution_status: string;
}

const envelopeOf = async (id: string): Promise<Envelope> => (await get(house, `${LIST}/${id}/envelope`, key)).json;
const foundBy = async (query: string): Promise<string[]> =>
  (await get(house, `${LIST}?${query}`, key)).json.items.map((item: { run_id: string }) => item.run_id);

/** The RUN leaves of a run, oldest first. */
async function sealsOf(id: string): Promise<Readonly<Record<string, JsonValue>>[]> {
  const rows = await house.database.admin<{ leaf: Buffer }>(
    `select leaf from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind = 'RUN' and run_id = $2 order by leaf_index`,
    [tenant, id],
  );
  return rows.map(({ leaf }) => ({ ...decodeLeaf(leaf).fields }));
}

async function findings(): Promise<readonly unknown[]> {
  await house.sign(tenant);
  return (await house.check(tenant)).findings;
}

describe('an event that comes when its run is sealed', () => {
  it('opens it again: an incident that is linked later stands in its next revision, and the list finds the run by it', async () => {
    const id = await run({ spanId: newSpan() });
    const other = await run({ spanId: newSpan() });
    expect(await foundBy('incident_id=INC-1')).toEqual([]);
    await later(incident(id, 'INC-1'));
    expect(await envelopeOf(id)).toMatchObject({ revision: 2, metadata: { incident_ids: ['INC-1'] } });
    expect(await foundBy('incident_id=INC-1')).toEqual([id]);
    await later(incident(id, 'INC-2'));
    expect(await envelopeOf(id)).toMatchObject({ revision: 3, metadata: { incident_ids: ['INC-1', 'INC-2'] } });
    expect((await envelopeOf(other)).revision).toBe(1);
    expect((await sealsOf(id)).map(({ events, sizes }) => [events, sizes])).toMatchObject([
      [0, { audit: 0 }],
      [1, { audit: 1 }],
      [2, { audit: 2 }],
    ]);
    expect(await findings()).toEqual([]);
  });

  it('moves its turning point to where it was first denied, with what was measured', async () => {
    const [root, step] = [newSpan(), newSpan()];
    const id = await run(
      { spanId: root, end: 100 },
      { spanId: step, parentSpanId: root, start: 20, end: 60, status: 2 },
    );
    expect((await envelopeOf(id)).inflection).toMatchObject({ reason: 'FAILED_STEP', span_id: step, step_index: 1 });
    const of = { traceId: bytesOf(id), spanId: bytesOf(step) };
    const limit = {
      ...DENY,
      'sworn.audit.policy.id': 'p-late',
      'sworn.audit.observed': '70',
      'sworn.audit.threshold': '50',
    };
    await later(
      event({ 'sworn.audit.category': 'VIOLATION' }, { ...of, timeNs: STARTED + 50_000_000n }),
      event(limit, { ...of, timeNs: STARTED + 40_000_000n }),
    );
    expect(await envelopeOf(id)).toMatchObject({
      inflection: {
        timestamp: '2026-11-20T00:00:00.040000Z',
        reason: 'DENY',
        span_id: step,
        step_index: 1,
        observed: '70',
        threshold: '50',
      },
      metadata: { policy_ids: ['p-late'] },
    });
    expect(await foundBy('policy_id=p-late')).toEqual([id]);
    expect(await findings()).toEqual([]);
  });

  it('that is of no step turns it only if it happened while it lasted', async () => {
    const id = await run({ spanId: newSpan(), end: 100 });
    const about = { ...DENY, 'sworn.audit.run.id': id };
    await later(event(about, { timeNs: STARTED + 86_400_000_000_000n }));
    expect((await envelopeOf(id)).inflection).toMatchObject({ reason: 'END' });
    await later(event(about, { timeNs: STARTED + 30_000_000n }));
    expect((await envelopeOf(id)).inflection).toMatchObject({ reason: 'DENY', span_id: null, step_index: null });
  });

  it('leaves it as it is when it is a note, is of a foreign key, contradicts what came first, or is of no run there is', async () => {
    const id = await run({ spanId: newSpan() });
    const trace = { traceId: bytesOf(id) };
    const said = (decision: string) => event({ ...DENY, 'sworn.audit.decision': decision, 'log.record.uid': 'u-1' });
    await later({ event: 'sworn.audit.note', body: 'odd', ...trace }, { event: 'sworn.audit.review', ...trace });
    const foreign = logsRequest([event(DENY, trace), incident(id, 'INC-9')], 'theirs');
    await house.ingestLogs(tenant, { encoding: 'protobuf', body: foreign }, { services: ['other'] });
    await later(said('allow'), incident('no-such-run', 'INC-8'));
    await later({ ...said('deny'), ...trace });
    expect(await envelopeOf(id)).toMatchObject({ revision: 1, metadata: { incident_ids: [], policy_ids: [] } });
    expect(await findings()).toEqual([]);
  });

  it('is heeded when it came before its run', async () => {
    const traceId = newTrace();
    await later(
      incident(traceId, 'INC-3'),
      event({ ...DENY, 'sworn.audit.policy.id': 'early' }, { traceId: bytesOf(traceId) }),
    );
    await house.ingest(tenant, otlp([{ traceId, spanId: newSpan() }]));
    await house.seal(tenant);
    expect(await envelopeOf(traceId)).toMatchObject({
      revision: 1,
      metadata: { incident_ids: ['INC-3'], policy_ids: ['early'] },
    });
    expect(await findings()).toEqual([]);
  });
});

describe('what spans say of rules', () => {
  it('is in the first revision of their run, of a shared trace in that of their step alone', async () => {
    const traceId = newTrace();
    const [root, inner, guard, own] = [newSpan(), newSpan(), newSpan(), newSpan()];
    const guardrail = (name: string) => ({ attributes: { 'guardrail.triggered': 'true', 'guardrail.name': name } });
    await house.ingest(
      tenant,
      otlp([
        { traceId, spanId: root, end: 100, attributes: { 'sworn.run.id': 'first' } },
        { traceId, spanId: own, parentSpanId: root, start: 1, end: 5, ...guardrail('outer') },
        { traceId, spanId: inner, parentSpanId: root, start: 10, attributes: { 'sworn.run.id': 'second' } },
        { traceId, spanId: guard, parentSpanId: inner, start: 11, end: 15, ...guardrail('inner') },
      ]),
      ['ingest:assert'],
    );
    await house.seal(tenant);
    expect(await envelopeOf('first')).toMatchObject({
      revision: 1,
      metadata: { policy_ids: ['outer'] },
      inflection: { reason: 'DENY', span_id: own },
    });
    expect(await envelopeOf('second')).toMatchObject({
      revision: 1,
      metadata: { policy_ids: ['inner'] },
      inflection: { reason: 'DENY', span_id: guard },
    });
    await later(
      event({ ...DENY, 'sworn.audit.policy.id': 'late' }, { traceId: bytesOf(traceId), spanId: bytesOf(guard) }),
    );
    expect((await envelopeOf('second')).metadata.policy_ids).toEqual(['inner', 'late']);
    expect((await envelopeOf('first')).metadata.policy_ids).toEqual(['outer']);
    expect(await findings()).toEqual([]);
  });

  it('is counted and hashed however much it is', async () => {
    const id = await run({ spanId: newSpan(), end: 100 });
    const lines = Array.from({ length: 300 }, (_, i) =>
      event(
        { ...DENY, 'sworn.audit.policy.id': `p-${i}` },
        { traceId: bytesOf(id), timeNs: STARTED + BigInt(i % 90) * 1_000_000n, body: `${i}` },
      ),
    );
    await later(...lines.slice(0, 150));
    await later(...lines.slice(150));
    const [, , newest] = await sealsOf(id);
    expect(newest).toMatchObject({ events: 300, names_left_out: 284 });
    expect(newest?.['policy_ids']).toHaveLength(16);
    expect(await findings()).toEqual([]);
  });
});

describe('check V9', () => {
  it('tells of a RUN leaf that heeds other events than there are', async () => {
    const id = await run({ spanId: newSpan() });
    await later(incident(id, 'INC-1'), incident(id, 'INC-2'));
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(`delete from sworn.audit_ledger where tenant_id = $1 and leaf_index = 1`, [tenant]);
    await house.database.admin('set session_replication_role = origin');
    expect(await findings()).toContainEqual(
      expect.objectContaining({
        check: 'V9',
        code: 'RUN_TREE_MISMATCH',
        log: 'llm-runs',
        expected: expect.stringMatching(/^2 events of tree /),
        found: expect.stringMatching(/^1 of /),
      }),
    );
  });

  it('asks nothing of RUN leaves of before, which heeded none; the sealer follows what was there and completes them', async () => {
    const traceId = newTrace();
    const attributes = { 'guardrail.triggered': 'true', 'tool.name': 'pii' };
    await house.ingest(tenant, otlp([{ traceId, spanId: newSpan(), attributes }]));
    const before = createSealer({
      db: house.database.db,
      append: (tenantId, drafts) => house.append(tenantId, drafts.map(asBefore)),
      originOf: (tenantId, log) => `test/${tenantId}/${log}`,
      isSynthetic: () => Promise.resolve(false),
      graceMs: 0,
      idleMs: 0,
    });
    while (await before.turn(tenant));
    const [old] = await sealsOf(traceId);
    expect(Object.keys(old ?? {})).not.toContain('events');
    expect(await findings()).toEqual([]);
    await house.database.admin(`delete from sworn.seal_cursor where tenant_id = $1 and log = 'audit'`, [tenant]);
    await house.seal(tenant);
    const [, completed] = await sealsOf(traceId);
    expect(completed).toMatchObject({ events: 1, policy_ids: ['pii'] });
    expect(await foundBy('policy_id=pii')).toEqual([traceId]);
    expect(await findings()).toEqual([]);
  });
});

/** A RUN leaf as the sealer wrote it when it did not follow `audit`. */
function asBefore(draft: LeafDraft): LeafDraft {
  if (draft.kind !== 'RUN') return draft;
  const fields = JSON.parse(Buffer.from(draft.leaf).toString('utf8'));
  for (const name of ['events', 'events_tree', 'policy_ids']) delete fields[name];
  const leaf = encodeLeaf(fields);
  const projection = { ...draft.projection, policyIds: [] } as unknown as LeafDraft['projection'];
  return { ...draft, leaf, recordedAtOffset: recordedAtOffset(leaf), projection };
}
