import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { EMPTY_ROOT, encodeLeaf, hex, type JsonValue, treeHash } from '@sworn/evidence';
import { testDatabase, type TestDatabase } from '@sworn/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClockGuard } from '../src/record/clockGuard.js';
import type { LeafDraft } from '../src/record/draft.js';
import { NotSequenced } from '../src/record/notSequenced.js';
import { RECORDED_AT_ROOM, recordedAtOffset } from '../src/record/ownLeaf.js';
import { createSequencer, type Sequencer } from '../src/record/sequencer.js';
import { createSealer, type Sealer, type SealerDeps } from '../src/seal/sealer.js';
import { inTenant } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';

const originOf = (tenantId: string, log: string): string => `test/${tenantId}/${log}`;
const NEVER_MS = 3_600_000;
let database: TestDatabase;
let writer: Sequencer;
let tenantId: string;

beforeAll(async () => {
  database = await testDatabase();
  writer = createSequencer({
    db: database.db,
    role: 'writer',
    recorderKey: randomBytes(32),
    originOf,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
  });
});
afterAll(() => database.drop());
beforeEach(async () => {
  tenantId = await newTenant();
});

async function newTenant(): Promise<string> {
  const id = randomUUID();
  await inTenant(database.db, 'recorder', id, (tx) =>
    insertTenant(tx, { tenantId: id, name: 'test', synthetic: true, platform: false }, EMPTY_ROOT),
  );
  return id;
}

/** Seals at once unless told otherwise. */
function sealer(over: Partial<SealerDeps> = {}): Sealer {
  return createSealer({
    db: database.db,
    append: (id, drafts) => writer.append(id, drafts),
    originOf,
    isSynthetic: () => Promise.resolve(false),
    graceMs: 0,
    idleMs: 0,
    ...over,
  });
}

/** A span of trace `t`, as the ingest path would prepare it, less what the sealer does not look at. */
interface Span {
  readonly t: string;
  readonly id: string;
  readonly parent?: string;
  readonly kind?: 'STEP' | 'CONFLICT';
  readonly [member: string]: unknown;
}

const idOf = (name: string, bytes: number): string =>
  createHash('sha256')
    .update(name)
    .digest('hex')
    .slice(0, 2 * bytes);

function draft({ t, id, parent, kind = 'STEP', ...rest }: Span): LeafDraft {
  const traceId = Buffer.from(idOf(t, 16), 'hex');
  const eventKey =
    kind === 'STEP'
      ? Buffer.concat([traceId, Buffer.from(idOf(id, 8), 'hex')])
      : createHash('sha256').update(`${t} ${id} conflict`).digest();
  const leaf = encodeLeaf({
    t: 'sworn.leaf/1',
    log: originOf(tenantId, 'llm-runs'),
    kind,
    by: 'producer',
    key: '00000000-0000-4000-8000-000000000000',
    event_key: hex(eventKey),
    occurred_at: '2026-11-25T00:00:00.000000Z',
    recorded_at: RECORDED_AT_ROOM,
    map: 1,
    r: randomBytes(16).toString('hex'),
    trace_id: hex(traceId),
    span_id: idOf(id, 8),
    ...(parent === undefined ? {} : { parent_span_id: idOf(parent, 8) }),
    step_kind: 'CHAIN',
    status: 'UNSET',
    started_ns: '1700000000000000000',
    ended_ns: '1700000001000000000',
    ...(rest as Record<string, JsonValue>),
  });
  return {
    topic: 'llm-runs',
    kind,
    eventKey,
    digest: createHash('sha256').update(leaf).digest(),
    traceId,
    runId: null,
    occurredAt: '2026-11-25T00:00:00.000000Z',
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [],
    body: null,
    dk: null,
    projection: null,
    conflict: null,
  };
}

async function send(...spans: readonly Span[]): Promise<void> {
  await writer.append(tenantId, spans.map(draft));
}

type Members = Readonly<Record<string, JsonValue>>;

interface Stored {
  readonly index: number;
  readonly kind: string;
  readonly hash: string;
  readonly members: Members;
}

async function stored(...kinds: readonly string[]): Promise<Stored[]> {
  const rows = await database.admin<{ index: number; kind: string; leaf: Buffer; leaf_hash: Uint8Array }>(
    `select leaf_index::int as index, kind, leaf, leaf_hash from sworn.leaf
      where tenant_id = $1 and log = 'llm-runs' and kind = any($2) order by leaf_index`,
    [tenantId, kinds],
  );
  return rows.map((row) => ({
    index: row.index,
    kind: row.kind,
    hash: hex(row.leaf_hash),
    members: JSON.parse(row.leaf.toString('utf8')) as Members,
  }));
}

const SEALED = ['OPENED', 'MEMBER', 'RUN'] as const;

async function openRuns(): Promise<{ run_id: string; revision: number; grace_ms: number; wait: number }[]> {
  return database.admin(
    `select run_id, revision, grace_ms, round(1000 * extract(epoch from due_at - last_seen_at))::int as wait from sworn.open_run where tenant_id = $1`,
    [tenantId],
  );
}

/** Runs a statement past triggers. */
async function pastTriggers(text: string, values: unknown[] = [tenantId]): Promise<void> {
  await database.admin(`set session_replication_role = replica`);
  await database.admin(text, values);
  await database.admin(`set session_replication_role = origin`);
}

/** Makes every open run due now: time passes. */
async function letTimePass(): Promise<void> {
  await pastTriggers(`update sworn.open_run set due_at = clock_timestamp() where tenant_id = $1`);
}

/** Turns until nothing waits. */
async function settle(by = sealer(), id = tenantId): Promise<void> {
  for (let turns = 0; await by.turn(id); turns++) if (turns > 200) throw new Error('the sealer never comes to rest');
}

/** What check V9 will ask of every RUN leaf: count and tree over the STEP leaves of the trace, up to the size it names. */
async function expectSoundRuns(): Promise<Stored[]> {
  const steps = await stored('STEP');
  const runs = await stored('RUN');
  for (const { index, members } of runs) {
    const sizes = members['sizes'] as { 'llm-runs': number };
    const mine = steps.filter((s) => s.members['trace_id'] === members['run_id'] && s.index < sizes['llm-runs']);
    const tree = hex(treeHash(mine.map((s) => Buffer.from(s.hash, 'hex'))));
    expect(members).toMatchObject({ steps: mine.length, tree, range: { size: mine.length } });
    expect(sizes['llm-runs']).toBeLessThanOrEqual(index);
  }
  return runs;
}

describe('a run', () => {
  it('is sealed whatever times its spans claim, up to the last that OTLP can say', async () => {
    await send({ t: 'far', id: 'root', started_ns: '1700000000000000000', ended_ns: '18446744073709551615' });
    await send({ t: 'near', id: 'root' });
    await settle();
    const runs = await expectSoundRuns();
    expect(runs.map((run) => run.members['completed_at']).sort()).toEqual([
      '2023-11-14T22:13:21.000000Z',
      '2554-07-21T23:34:33.709551Z',
    ]);
  });

  it('holds up no other when the database refuses its leaf', async () => {
    await send({ t: 'bad', id: 'root' }, { t: 'good', id: 'root' });
    const failing = sealer({
      append: (id, drafts) =>
        drafts.some((d) => d.kind === 'RUN' && d.runId === idOf('bad', 16))
          ? Promise.reject(new Error('refused'))
          : writer.append(id, drafts),
    });
    await expect(settle(failing)).rejects.toThrow('1 of 2 runs could not be sealed');
    expect((await stored('RUN')).map((run) => run.members['run_id'])).toEqual([idOf('good', 16)]);
    expect(await openRuns()).toMatchObject([{ run_id: idOf('bad', 16) }]);
  });

  it('names the policies and incidents that its steps name, each once', async () => {
    await send(
      { t: 'p', id: 'root', policy_ids: ['pol-1'] },
      { t: 'p', id: 'c', parent: 'root', policy_ids: ['pol-1', 'pol-2'], incident_ids: ['inc-1'] },
    );
    await settle();
    const [run] = await expectSoundRuns();
    expect(run?.members).toMatchObject({ policy_ids: ['pol-1', 'pol-2'], incident_ids: ['inc-1'] });
    const [row] = await database.admin(
      `select policy_ids, incident_ids from sworn.llm_run_records where tenant_id = $1 and kind = 'RUN'`,
      [tenantId],
    );
    expect(row).toEqual({ policy_ids: ['pol-1', 'pol-2'], incident_ids: ['inc-1'] });
  });

  it('is opened at first sight and sealed after the grace that follows its root', async () => {
    const waiting = sealer({ graceMs: NEVER_MS, idleMs: NEVER_MS });
    await send({ t: 'x', id: 'child', parent: 'root', service: 'bot' });
    await settle(waiting);
    const [opened, member, ...rest] = await stored(...SEALED);
    const [step] = await stored('STEP');
    expect(rest).toEqual([]);
    expect(opened).toMatchObject({
      kind: 'OPENED',
      members: { run_id: idOf('x', 16), trace_id: idOf('x', 16), first: step?.hash, by: 'sworn', service: 'bot' },
    });
    expect(member).toMatchObject({
      kind: 'MEMBER',
      members: { run_id: idOf('x', 16), trace_id: idOf('x', 16), whole: true },
    });
    await send({ t: 'x', id: 'root' });
    await settle(waiting);
    expect(await stored('RUN')).toEqual([]);
    await letTimePass();
    await settle(waiting);
    const [run] = await expectSoundRuns();
    expect(run?.members).toMatchObject({
      run_id: idOf('x', 16),
      revision: 1,
      run_index: opened?.index,
      run_occurred_at: '2026-11-25T00:00:00.000000Z',
      steps: 2,
      root_missing: false,
      execution_status: 'SUCCEEDED',
    });
    expect(await openRuns()).toEqual([]);
    expect(await stored('OPENED', 'MEMBER')).toHaveLength(2);
  });

  it('waits for its root as long as idle, and from then for the grace', async () => {
    const by = sealer({ graceMs: 12_000, idleMs: 300_000 });
    await send({ t: 'x', id: 'child', parent: 'root' });
    await settle(by);
    expect(await openRuns()).toMatchObject([{ wait: 300_000 }]);
    await send({ t: 'x', id: 'root' });
    await settle(by);
    expect(await openRuns()).toMatchObject([{ wait: 12_000 }]);
    await send({ t: 'x', id: 'other', parent: 'root' });
    await settle(by);
    expect(await openRuns()).toMatchObject([{ wait: 12_000 }]);
  });

  it('is aborted, and says that its root is missing, when that never came', async () => {
    await send({ t: 'x', id: 'child', parent: 'root' });
    await settle(sealer({ graceMs: NEVER_MS }));
    const [run] = await expectSoundRuns();
    expect(run?.members).toMatchObject({ execution_status: 'ABORTED', outcome: 'TERMINATED', root_missing: true });
  });

  it('opens again for a late step, and its next revision counts and hashes all of them', async () => {
    await send({ t: 'x', id: 'root' }, { t: 'x', id: 'a', parent: 'root' });
    await settle();
    for (const id of ['b', 'c']) {
      await send({ t: 'x', id, parent: 'root' });
      await settle();
    }
    const runs = await expectSoundRuns();
    expect(runs.map(({ members }) => [members['revision'], members['steps']])).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    expect(new Set(runs.map(({ members }) => members['run_index'])).size).toBe(1);
    const rows = await database.admin(
      `select kind, revision, run_index::int from sworn.llm_run_records where tenant_id = $1 order by leaf_index`,
      [tenantId],
    );
    expect(rows).toEqual(
      [0, 1, 2, 3].map((revision) => ({ kind: revision === 0 ? 'OPENED' : 'RUN', revision, run_index: 2 })),
    );
  });

  it('waits longer each time it opens again, up to an hour', async () => {
    const patient = { graceMs: 12_000, idleMs: 300_000 };
    const waits: number[] = [];
    for (let i = 0; i < 12; i++) {
      await send({ t: 'x', id: `s${i}`, ...(i === 0 ? {} : { parent: 's0' }) });
      const by = sealer(patient);
      await settle(by);
      waits.push((await openRuns())[0]?.wait ?? 0);
      await letTimePass();
      await settle(by);
    }
    expect(waits.slice(0, 4)).toEqual([12_000, 24_000, 48_000, 96_000]);
    expect(waits.at(-1)).toBe(3_600_000);
    expect(await expectSoundRuns()).toHaveLength(12);
  });

  it('knows its root from an earlier revision', async () => {
    await send({ t: 'x', id: 'root' });
    await settle();
    await send({ t: 'x', id: 'late', parent: 'root' });
    await settle(sealer({ idleMs: NEVER_MS }));
    expect((await expectSoundRuns()).map(({ members }) => members['root_missing'])).toEqual([false, false]);
  });

  it('counts conflicting copies and folds none of them', async () => {
    await send({ t: 'x', id: 'root' }, { t: 'x', id: 'root', kind: 'CONFLICT', service: 'other' });
    await settle();
    const [run] = await expectSoundRuns();
    expect(run?.members).toMatchObject({ steps: 1, conflicts: 1 });
    expect(run?.members).not.toHaveProperty('service');
  });

  it('names the sizes of the three logs it was made of', async () => {
    await send({ t: 'x', id: 'root' });
    await settle();
    const [run] = await stored('RUN');
    expect(run?.members['sizes']).toEqual({ 'llm-runs': 1, system: 0, audit: 0 });
  });

  it('is kept apart from the runs of other traces and tenants', async () => {
    const mine = tenantId;
    await send({ t: 'x', id: 'root' }, { t: 'y', id: 'root' }, { t: 'x', id: 'a', parent: 'root' });
    tenantId = await newTenant();
    await send({ t: 'x', id: 'root' });
    await settle(sealer(), mine);
    await settle();
    expect((await expectSoundRuns()).map(({ members }) => members['steps'])).toEqual([1]);
    tenantId = mine;
    expect((await expectSoundRuns()).map(({ members }) => members['steps']).sort()).toEqual([1, 2]);
  });

  it('says synthetic where the tenant is, whatever the steps claim', async () => {
    await send({ t: 'x', id: 'root', synthetic_claim: true, sdk: true });
    await send({ t: 'y', id: 'root' });
    await settle(sealer({ isSynthetic: () => Promise.resolve(false) }));
    expect((await stored('RUN')).map(({ members }) => [members['is_synthetic'], members['source']]).sort()).toEqual([
      [false, 'API'],
      [false, 'SDK'],
    ]);
    tenantId = await newTenant();
    await send({ t: 'x', id: 'root', sdk: true });
    await settle(sealer({ isSynthetic: () => Promise.resolve(true) }));
    expect((await stored('OPENED', 'RUN')).map(({ members }) => [members['is_synthetic'], members['source']])).toEqual([
      [true, 'SYNTHETIC'],
      [true, 'SYNTHETIC'],
    ]);
  });
});

describe('the sealer', () => {
  it('repeats nothing when it died before it could note how far it came', async () => {
    await send({ t: 'x', id: 'root' }, { t: 'y', id: 'root' });
    await settle();
    const before = await stored(...SEALED);
    expect(before).toHaveLength(6);
    for (let i = 0; i < 2; i++) {
      await pastTriggers(`delete from sworn.seal_cursor where tenant_id = $1`);
      await pastTriggers(`delete from sworn.open_run where tenant_id = $1`);
      await settle();
      expect(await stored(...SEALED)).toEqual(before);
      expect(await openRuns()).toEqual([]);
    }
  });

  it('loses no step that came between a seal and a death before the run was closed', async () => {
    await send({ t: 'x', id: 'root' });
    await settle(sealer({ graceMs: NEVER_MS }));
    const open = await database.admin(`select * from sworn.open_run where tenant_id = $1`, [tenantId]);
    await letTimePass();
    await settle();
    // As if the RUN leaf had been appended and the process killed: the run is still open.
    const columns = Object.keys(open[0] ?? {});
    await pastTriggers(
      `insert into sworn.open_run (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
      Object.values(open[0] ?? {}),
    );
    await send({ t: 'x', id: 'late', parent: 'root' });
    await settle(sealer({ graceMs: NEVER_MS }));
    await letTimePass();
    await settle();
    expect((await expectSoundRuns()).map(({ members }) => [members['revision'], members['steps']])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    expect(await openRuns()).toEqual([]);
  });

  it('dies at any of its appends and goes on where it was', async () => {
    let calls = 0;
    let dieAt = 0;
    const dying = sealer({
      async append(id, drafts) {
        const appended = await writer.append(id, drafts);
        if (++calls === dieAt) throw new NotSequenced('killed');
        return appended;
      },
    });
    for (dieAt = 1; dieAt <= 2; dieAt++) {
      calls = 0;
      const t = `d${dieAt}`;
      await send({ t, id: 'root' }, { t, id: 'a', parent: 'root' });
      await expect(settle(dying)).rejects.toThrow('killed');
      await settle();
      const runs = (await expectSoundRuns()).filter(({ members }) => members['run_id'] === idOf(t, 16));
      expect(runs.map(({ members }) => [members['revision'], members['steps']])).toEqual([[1, 2]]);
    }
    expect(await stored('OPENED', 'MEMBER')).toHaveLength(4);
    expect(await openRuns()).toEqual([]);
  });

  it('seals nothing twice when two of it work at once, and none of them fails', async () => {
    for (let round = 0; round < 6; round++) {
      const traces = Array.from({ length: 30 }, (_, i) => `t${i}`);
      await send(...traces.map((t) => ({ t, id: `s${round}`, ...(round === 0 ? {} : { parent: 's0' }) })));
      await Promise.all([settle(), settle(), settle()]);
    }
    await settle();
    const runs = await expectSoundRuns();
    const newest = new Map(runs.map(({ members }) => [members['run_id'], members['steps']]));
    expect([...newest.values()]).toEqual(Array.from({ length: 30 }, () => 6));
    expect(new Set(runs.map(({ members }) => `${members['run_id']}/${members['revision']}`)).size).toBe(runs.length);
    for (const runId of newest.keys()) {
      const steps = runs.filter((r) => r.members['run_id'] === runId).map((r) => r.members['steps'] as number);
      // A revision without a new step would be one too many.
      expect(new Set(steps).size).toBe(steps.length);
    }
    expect(await stored('OPENED', 'MEMBER')).toHaveLength(60);
    expect(await openRuns()).toEqual([]);
  });

  it('takes turns: a flood of one tenant costs another nothing but its turn', async () => {
    const flooded = tenantId;
    await send(
      ...Array.from({ length: 4500 }, (_, i) => ({
        t: `t${i % 150}`,
        id: `s${i}`,
        ...(i < 150 ? {} : { parent: `s${i % 150}` }),
      })),
    );
    const quiet = (tenantId = await newTenant());
    await send({ t: 'x', id: 'root' });
    const by = sealer({ graceMs: 1 });
    expect(await by.turn(flooded)).toBe(true);
    expect(await by.turn(quiet)).toBe(false);
    await settle();
    expect(await expectSoundRuns()).toHaveLength(1);
    tenantId = flooded;
    expect(
      (
        await database.admin<{ n: number }>(`select next_index::int as n from sworn.seal_cursor where tenant_id = $1`, [
          flooded,
        ])
      )[0]?.n,
    ).toBe(2000);
    await settle(by);
    expect((await expectSoundRuns()).map(({ members }) => members['steps'])).toEqual(
      Array.from({ length: 150 }, () => 30),
    );
  }, 60_000);

  it('does not take for quiet what it has not looked at yet', async () => {
    // The run's steps are spread over more leaves than one turn follows, and all of them are older than the grace.
    await send(
      { t: 'x', id: 'root' },
      ...Array.from({ length: 2500 }, (_, i) => ({ t: 'x', id: `s${i}`, parent: 'root' })),
    );
    const by = sealer({ graceMs: 1 });
    await new Promise((r) => setTimeout(r, 5));
    await settle(by);
    expect((await expectSoundRuns()).map(({ members }) => [members['revision'], members['steps']])).toEqual([
      [1, 2501],
    ]);
  });

  it('goes on behind a gap that retention cut', async () => {
    await send({ t: 'x', id: 'root' }, { t: 'x', id: 'a', parent: 'root' }, { t: 'y', id: 'root' });
    await pastTriggers(`delete from sworn.leaf where tenant_id = $1 and leaf_index < 2`);
    await settle();
    expect((await stored('RUN')).map(({ members }) => members['run_id'])).toEqual([idOf('y', 16)]);
    await settle();
    expect(await stored('RUN')).toHaveLength(1);
  });

  it('puts a run that cannot be sealed off, says so, and seals the others', async () => {
    await send({ t: 'x', id: 'root' }, { t: 'y', id: 'root' });
    await settle(sealer({ graceMs: NEVER_MS }));
    await pastTriggers(`delete from sworn.leaf where tenant_id = $1 and leaf_index = 0`);
    await letTimePass();
    await expect(sealer().turn(tenantId)).rejects.toThrow('1 of 2 runs could not be sealed');
    expect((await stored('RUN')).map(({ members }) => members['run_id'])).toEqual([idOf('y', 16)]);
    await sealer().turn(tenantId);
    expect(await openRuns()).toHaveLength(1);
  });

  it('seals 20,000 siblings, a chain of 20,000, and as many in one circle', async () => {
    const n = 20_000;
    const usage = { step_kind: 'LLM', input_tokens: 3, output_tokens: 4, model: 'm' };
    const parents: Record<string, (i: number) => string | undefined> = {
      siblings: (i) => (i === 0 ? undefined : 's0'),
      chain: (i) => (i === 0 ? undefined : `s${i - 1}`),
      circle: (i) => `s${(i + 1) % n}`,
    };
    for (const [t, parentOf] of Object.entries(parents)) {
      for (let from = 0; from < n; from += 4000) {
        await send(
          ...Array.from({ length: 4000 }, (_, k) => {
            const parent = parentOf(from + k);
            return { t, id: `s${from + k}`, ...(parent === undefined ? {} : { parent }), ...usage };
          }),
        );
      }
    }
    await settle(sealer({ graceMs: 1, idleMs: 1 }));
    const runs = await stored('RUN');
    const newest = new Map(runs.map(({ members }) => [members['run_id'], members['steps']]));
    expect([...newest.values()]).toEqual([n, n, n]);
  }, 120_000);

  it('seals whatever shape was accepted, with every step counted', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const shape = fc.uniqueArray(
      fc.record(
        { id: name, parent: name, remote_parent: fc.boolean(), foreign: fc.boolean() },
        { requiredKeys: ['id'] },
      ),
      { selector: (s) => s.id, minLength: 1, maxLength: 5 },
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 4 }), async (shapes) => {
        const traces = shapes.map((spans) => ({ t: `p${run++}`, spans }));
        // Half of each trace comes late.
        for (const part of [0, 1]) {
          await send(
            ...traces.flatMap(({ t, spans }) => spans.filter((_, i) => i % 2 === part).map((s) => ({ t, ...s }))),
          );
          await settle();
        }
        const runs = await stored('RUN');
        for (const { t, spans } of traces) {
          const mine = runs.filter(({ members }) => members['run_id'] === idOf(t, 16));
          expect(mine.at(-1)?.members['steps']).toBe(spans.length);
          expect(mine).toHaveLength(spans.length > 1 ? 2 : 1);
        }
        expect(await openRuns()).toEqual([]);
      }),
      { numRuns: 15 },
    );
    await expectSoundRuns();
  }, 60_000);
});
