import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FOLLOW_LEAVES } from '../src/seal/follow.js';
import type { Sealer, SealerDeps } from '../src/seal/sealer.js';
import { idOf, NEVER_MS, openSealerHouse, SEALED, type SealerHouse, type Span, type Stored } from './sealerHouse.js';

/** More leaves than two turns follow. */
const FLOOD = 9_000;

let house: SealerHouse;
beforeAll(async () => {
  house = await openSealerHouse();
});
afterAll(() => house.close());
beforeEach(async () => {
  house.tenantId = await house.newTenant();
});

const newTenant = (): Promise<string> => house.newTenant();
const sealer = (over?: Partial<SealerDeps>): Sealer => house.sealer(over);
const send = (...spans: readonly Span[]): Promise<void> => house.send(...spans);
const stored = (...kinds: readonly string[]): Promise<Stored[]> => house.stored(...kinds);
const openRuns = () => house.openRuns();
const pastTriggers = (text: string, values?: unknown[]): Promise<void> => house.pastTriggers(text, values);
const letTimePass = (): Promise<void> => house.letTimePass();
const settle = (by?: Sealer, id?: string): Promise<void> => house.settle(by, id);
const expectSoundRuns = (): Promise<Stored[]> => house.expectSoundRuns();

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
          : house.writer.append(id, drafts),
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
    const [row] = await house.database.admin(
      `select policy_ids, incident_ids from sworn.llm_run_records where tenant_id = $1 and kind = 'RUN'`,
      [house.tenantId],
    );
    expect(row).toEqual({ policy_ids: ['pol-1', 'pol-2'], incident_ids: ['inc-1'] });
  });

  it('is opened at first sight and sealed after the grace that follows its root', async () => {
    const waiting = sealer({ graceMs: NEVER_MS, idleMs: NEVER_MS });
    await send({ t: 'x', id: 'child', parent: 'root', service: 'bot', conversation_id: 'c' });
    await settle(waiting);
    const [opened, member, ...rest] = await stored(...SEALED);
    const [step] = await stored('STEP');
    expect(rest).toEqual([]);
    expect(opened).toMatchObject({
      kind: 'OPENED',
      members: {
        run_id: idOf('x', 16),
        trace_id: idOf('x', 16),
        first: step?.hash,
        by: 'sworn',
        service: 'bot',
        conversation_id: 'c',
      },
    });
    const columns = `select conversation_id from sworn.llm_run_records where tenant_id = $1 and kind = 'OPENED'`;
    expect(await house.database.admin(columns, [house.tenantId])).toEqual([{ conversation_id: 'c' }]);
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

  it('does not wait for what a foreign key sends, which is counted when it is sealed', async () => {
    const by = sealer({ graceMs: 12_000, idleMs: 300_000 });
    await send({ t: 'x', id: 'root' });
    await settle(by);
    const due = () => house.database.admin(`select due_at from sworn.open_run where tenant_id = $1`, [house.tenantId]);
    const before = await due();
    await send(
      { t: 'x', id: 'f', parent: 'root', foreign: true },
      { t: 'x', id: 'f', kind: 'CONFLICT', foreign: true },
    );
    await settle(by);
    expect(await due()).toEqual(before);
    await send({ t: 'x', id: 'own', parent: 'root' }, { t: 'x', id: 'g', parent: 'root', foreign: true });
    await settle(by);
    expect(await due()).not.toEqual(before);
    await letTimePass();
    await settle(by);
    expect((await expectSoundRuns())[0]?.members).toMatchObject({ steps: 4, foreign_steps: 2, conflicts: 1 });
    await send({ t: 'x', id: 'h', parent: 'root', foreign: true });
    await settle(by);
    await letTimePass();
    await settle(by);
    expect((await expectSoundRuns())[1]?.members).toMatchObject({ steps: 5, foreign_steps: 3 });
  });

  it('is aborted, and says that its root is missing, when that never came', async () => {
    await send({ t: 'x', id: 'child', parent: 'root', remote_parent: false });
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
    const rows = await house.database.admin(
      `select kind, revision, run_index::int from sworn.llm_run_records where tenant_id = $1 order by leaf_index`,
      [house.tenantId],
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

  it('waits as long for what is said of it late, and not longer for what a note says', async () => {
    const by = sealer({ graceMs: 12_000, idleMs: 300_000 });
    await send({ t: 'x', id: 'root' });
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      await settle(by);
      waits.push((await openRuns())[0]?.wait ?? 0);
      await letTimePass();
      await settle(by);
      await house.tell({ id: `note ${i}`, t: 'x' });
      await settle(by);
      expect(await openRuns()).toEqual([]);
      await house.tell({ id: `event ${i}`, t: 'x', category: 'EVALUATION' });
    }
    expect(waits).toEqual([12_000, 24_000, 48_000, 96_000]);
    const runs = await expectSoundRuns();
    expect(runs.map(({ members }) => members['events'])).toEqual([0, 1, 2, 3]);
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
    const mine = house.tenantId;
    await send({ t: 'x', id: 'root' }, { t: 'y', id: 'root' }, { t: 'x', id: 'a', parent: 'root' });
    house.tenantId = await newTenant();
    await send({ t: 'x', id: 'root' });
    await settle(sealer(), mine);
    await settle();
    expect((await expectSoundRuns()).map(({ members }) => members['steps'])).toEqual([1]);
    house.tenantId = mine;
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
    house.tenantId = await newTenant();
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
    const open = await house.database.admin(`select * from sworn.open_run where tenant_id = $1`, [house.tenantId]);
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
    const flooded = house.tenantId;
    await send(
      ...Array.from({ length: FLOOD }, (_, i) => ({
        t: `t${i % 150}`,
        id: `s${i}`,
        ...(i < 150 ? {} : { parent: `s${i % 150}` }),
      })),
    );
    const quiet = (house.tenantId = await newTenant());
    await send({ t: 'x', id: 'root' });
    const by = sealer({ graceMs: 1 });
    expect(await by.turn(flooded)).toBe(true);
    expect(await by.turn(quiet)).toBe(false);
    await settle();
    expect(await expectSoundRuns()).toHaveLength(1);
    house.tenantId = flooded;
    expect(
      (
        await house.database.admin<{ n: number }>(
          `select next_index::int as n from sworn.seal_cursor where tenant_id = $1`,
          [flooded],
        )
      )[0]?.n,
    ).toBe(FOLLOW_LEAVES);
    await settle(by);
    expect((await expectSoundRuns()).map(({ members }) => members['steps'])).toEqual(
      Array.from({ length: 150 }, () => FLOOD / 150),
    );
  }, 60_000);

  it('does not take for quiet what it has not looked at yet', async () => {
    // The run's steps are spread over more leaves than one turn follows, and all of them are older than the grace.
    await send(
      { t: 'x', id: 'root' },
      ...Array.from({ length: FOLLOW_LEAVES + 500 }, (_, i) => ({ t: 'x', id: `s${i}`, parent: 'root' })),
    );
    const by = sealer({ graceMs: 1 });
    await new Promise((r) => setTimeout(r, 5));
    await settle(by);
    expect((await expectSoundRuns()).map(({ members }) => [members['revision'], members['steps']])).toEqual([
      [1, FOLLOW_LEAVES + 501],
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
    await expect(sealer().turn(house.tenantId)).rejects.toThrow('1 of 2 runs could not be sealed');
    expect((await stored('RUN')).map(({ members }) => members['run_id'])).toEqual([idOf('y', 16)]);
    await sealer().turn(house.tenantId);
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
