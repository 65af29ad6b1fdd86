import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { idOf, NEVER_MS, openSealerHouse, SEALED, type SealerHouse, type Span, type Stored } from './sealerHouse.js';

let house: SealerHouse;
beforeAll(async () => {
  house = await openSealerHouse();
});
afterAll(() => house.close());
beforeEach(async () => {
  house.tenantId = await house.newTenant();
});

const trace = (name: string): string => idOf(name, 16);

/** The newest RUN leaf of each run, by run id. */
async function newest(): Promise<Record<string, Stored['members']>> {
  const runs = await house.expectSoundRuns(true);
  return Object.fromEntries(runs.map(({ members }) => [String(members['run_id']), members]));
}

/** A step of service `bot` that names a vendor's run. */
function named(run_hint: string, span: Span): Span {
  return { service: 'bot', run_hint, ...span };
}

describe('a run that cannot even be looked at', () => {
  it.each([300, 1])('of %i traces is put off and told, and holds up no run that is due with it', async (traces) => {
    const later = house.sealer({ graceMs: NEVER_MS });
    await house.send(...Array.from({ length: traces }, (_, i) => named('turn', { t: `t${i}`, id: 'root' })));
    await house.settle(later);
    await house.send({ t: 'x', id: 'root' });
    await house.settle(later);
    await house.letTimePass();
    await house.database.admin(`
      create policy broken on sworn.llm_run_records as restrictive for select
        using (run_id <> 'bot:turn' or 1 / (revision - revision) = 1)`);
    try {
      await expect(house.sealer().turn(house.tenantId)).rejects.toThrow('1 of 2 runs could not be sealed');
    } finally {
      await house.database.admin(`drop policy broken on sworn.llm_run_records`);
    }
    expect(await house.stored('RUN')).toMatchObject([{ members: { run_id: trace('x') } }]);
    expect(await house.openRuns()).toMatchObject([{ run_id: 'bot:turn' }]);
    await house.letTimePass();
    await house.settle();
    expect((await newest())['bot:turn']).toMatchObject({ traces });
  });
});

describe('a run that its vendor names', () => {
  it('has every trace of which a step names it, whole, and is one place in the list', async () => {
    await house.send(
      named('turn-1', { t: 'x', id: 'root', started_ns: '1700000000000000000' }),
      { t: 'x', id: 'a', parent: 'root', service: 'bot' },
      named('turn-1', { t: 'y', id: 'root', started_ns: '1700000005000000000', ended_ns: '1700000009000000000' }),
      { t: 'z', id: 'root', service: 'bot' },
    );
    await house.settle();
    const runs = await newest();
    expect(Object.keys(runs).sort()).toEqual(['bot:turn-1', trace('z')].sort());
    expect(runs['bot:turn-1']).toMatchObject({
      steps: 3,
      traces: 2,
      trace_id: trace('x'),
      started_at: '2023-11-14T22:13:20.000000Z',
      completed_at: '2023-11-14T22:13:29.000000Z',
      execution_status: 'SUCCEEDED',
    });
    expect((await house.stored('MEMBER')).map(({ members: m }) => [m['run_id'], m['trace_id'], m['whole']])).toEqual([
      ['bot:turn-1', trace('x'), true],
      ['bot:turn-1', trace('y'), true],
      [trace('z'), trace('z'), true],
    ]);
  });

  it('takes over a trace that was opened for itself, which says so and is never opened again', async () => {
    await house.send({ t: 'x', id: 'a', parent: 'root' });
    await house.settle(house.sealer({ graceMs: NEVER_MS, idleMs: NEVER_MS }));
    await house.send(named('turn-1', { t: 'x', id: 'b', parent: 'root' }));
    await house.settle(house.sealer({ graceMs: NEVER_MS, idleMs: NEVER_MS }));
    // What stood in for it is closed at once: only the vendor's run goes on waiting.
    expect(await house.openRuns()).toMatchObject([{ run_id: 'bot:turn-1' }]);
    const [closed, ...more] = await house.stored('RUN');
    expect(more).toEqual([]);
    expect(closed?.members).toMatchObject({
      run_id: trace('x'),
      revision: 1,
      steps: 0,
      superseded_by: 'bot:turn-1',
      execution_status: 'RUNNING',
    });
    await house.letTimePass();
    await house.send(named('turn-1', { t: 'x', id: 'root' }));
    await house.settle();
    const runs = await newest();
    expect(runs['bot:turn-1']).toMatchObject({ steps: 3 });
    expect(runs[trace('x')]).toMatchObject({ revision: 1 });
  });

  it('takes over a trace that was sealed already', async () => {
    await house.send({ t: 'x', id: 'root' });
    await house.settle();
    await house.send(named('turn-1', { t: 'x', id: 'late', parent: 'root' }));
    await house.settle();
    const runs = await newest();
    expect(runs[trace('x')]).toMatchObject({ revision: 2, steps: 0, superseded_by: 'bot:turn-1' });
    expect(runs['bot:turn-1']).toMatchObject({ revision: 1, steps: 2 });
    const rows = await house.database.admin(
      `select run_id, superseded_by from sworn.llm_run_records where tenant_id = $1 and superseded_by is not null`,
      [house.tenantId],
    );
    expect(rows).toEqual([{ run_id: trace('x'), superseded_by: 'bot:turn-1' }]);
  });

  it('is kept apart from the same id of another service, and is asserted as it is', async () => {
    await house.send(
      named('1', { t: 'x', id: 'root' }),
      named('1', { t: 'y', id: 'root', service: 'other' }),
      named('mine', { t: 'z', id: 'root', run_asserted: true }),
      named('1', { t: 'f', id: 'root', foreign: true }),
    );
    await house.settle();
    expect(Object.keys(await newest()).sort()).toEqual(['bot:1', 'mine', 'other:1', trace('f')].sort());
  });

  it('may have thousands of traces', async () => {
    const traces = Array.from({ length: 1500 }, (_, i) => `t${i}`);
    await house.send(...traces.flatMap((t) => [named('turn', { t, id: 'root' }), { t, id: 'a', parent: 'root' }]));
    await house.settle();
    expect(await newest()).toMatchObject({ 'bot:turn': { steps: 3000, traces: 1500 } });
  });
});

describe('several runs in one trace', () => {
  const worker: readonly Span[] = [
    { t: 'x', id: 'job' },
    named('1', { t: 'x', id: 'first', parent: 'job' }),
    { t: 'x', id: 'call', parent: 'first' },
    named('2', { t: 'x', id: 'second', parent: 'job' }),
    named('2', { t: 'x', id: 'inner', parent: 'second' }),
    { t: 'x', id: 'tool', parent: 'inner' },
  ];

  it('divide it: what names none is of the first, a subtree of who is named at its top', async () => {
    await house.send(...worker);
    await house.settle();
    const runs = await newest();
    expect(runs['bot:1']).toMatchObject({ steps: 3, root_missing: false });
    expect(runs['bot:2']).toMatchObject({ steps: 3, root_missing: false, root_step: idOf('second', 8) });
    const carved = (await house.stored('MEMBER')).filter(({ members }) => members['whole'] === false);
    expect(carved.map(({ members }) => [members['run_id'], members['roots']])).toEqual([
      ['bot:2', [idOf('second', 8)]],
    ]);
  });

  it('divide it alike in whatever order it comes, in pieces, and by however many sealers', async () => {
    const orders = [worker, worker.toReversed(), [...worker.slice(3), ...worker.slice(0, 3)]];
    for (const [at, order] of orders.entries()) {
      house.tenantId = await house.newTenant();
      for (const span of order) {
        await house.send(span);
        if (at === 2) await Promise.all([house.settle(), house.settle()]);
        else await house.settle();
      }
      await house.settle();
      const runs = await newest();
      const first = order.find((span) => span['run_hint'] !== undefined)?.['run_hint'];
      // Who comes first has what names nobody; the subtrees are the same.
      expect([runs['bot:1']?.['steps'], runs['bot:2']?.['steps']]).toEqual(first === '1' ? [3, 3] : [2, 4]);
      expect(await house.openRuns()).toEqual([]);
    }
  });

  it('are so many at most: further ones are counted and have no part', async () => {
    const spans = Array.from({ length: 70 }, (_, i) => named(`r${i}`, { t: 'x', id: `s${i}`, parent: 'job' }));
    await house.send({ t: 'x', id: 'job' }, ...spans);
    await house.settle();
    const runs = await newest();
    expect(Object.keys(runs)).toHaveLength(64);
    expect(runs['bot:r0']).toMatchObject({ steps: 8, hints_left_out: 6 });
    expect(runs['bot:r63']).toMatchObject({ steps: 1 });
  });

  it('are sealed anew only if a late step is theirs', async () => {
    await house.send(...worker);
    await house.settle();
    await house.send({ t: 'x', id: 'late', parent: 'inner' });
    await house.settle();
    const runs = await newest();
    expect([runs['bot:1']?.['revision'], runs['bot:2']?.['revision']]).toEqual([1, 2]);
    expect(await house.openRuns()).toEqual([]);
  });

  it('divide a trace too long to be read at once', async () => {
    const long = Array.from({ length: 6000 }, (_, i) => ({
      t: 'x',
      id: `c${i}`,
      parent: i % 3 === 0 ? 'call' : 'inner',
    }));
    await house.send(...worker, ...long);
    await house.send({ t: 'x', id: 'c1', kind: 'CONFLICT' });
    await house.settle();
    const runs = await newest();
    expect([runs['bot:1']?.['steps'], runs['bot:2']?.['steps']]).toEqual([2003, 4003]);
  });
});

describe('a contradicting copy', () => {
  it('that comes late opens its run again', async () => {
    await house.send({ t: 'x', id: 'root' });
    await house.settle();
    await house.send({ t: 'x', id: 'root', kind: 'CONFLICT', first_index: 0 });
    await house.settle();
    expect(await newest()).toMatchObject({ [trace('x')]: { revision: 2, steps: 1, conflicts: 1 } });
  });
});

describe('a run that waits for somebody', () => {
  const paused: readonly Span[] = [
    { t: 'w', id: 'root', service: 'bot', conversation_id: 'c', ended_ns: '1700000002000000000' },
    { t: 'w', id: 'ask', parent: 'root', status: 'ERROR', marks: ['interrupt'] },
  ];
  const answer = (mark: string, t = 'r'): readonly Span[] => [
    {
      t,
      id: 'root',
      service: 'bot',
      conversation_id: 'c',
      started_ns: '1700000100000000000',
      ended_ns: '1700000101000000000',
    },
    {
      t,
      id: 'resume',
      parent: 'root',
      marks: [mark],
      started_ns: '1700000100000000000',
      ended_ns: '1700000101000000000',
    },
  ];

  it('says for what, and is RUNNING until a run of its conversation takes it up', async () => {
    await house.send(...paused);
    await house.settle();
    const waiting = (await newest())[trace('w')];
    expect(waiting).toMatchObject({ execution_status: 'RUNNING', waiting_for: 'approval', steps: 2 });
    expect(waiting).not.toHaveProperty('outcome');
    expect(waiting).not.toHaveProperty('completed_at');
    expect(await house.openRuns()).toEqual([]);
    await house.send(...answer('approved'));
    await house.settle();
    const runs = await newest();
    expect(runs[trace('w')]).toMatchObject({
      revision: 2,
      execution_status: 'SUCCEEDED',
      outcome: 'SUCCESS',
      resumed_by: trace('r'),
    });
    expect(runs[trace('w')]).not.toHaveProperty('waiting_for');
    expect(runs[trace('r')]).toMatchObject({ decisions: ['approved'], revision: 1 });
  });

  it('was stopped when what it asked was rejected', async () => {
    await house.send(...paused);
    await house.settle();
    await house.send(...answer('rejected'));
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({
      execution_status: 'ABORTED',
      outcome: 'TERMINATED',
      termination_reason: 'policy_block',
      resumed_by: trace('r'),
    });
  });

  it('is found when its answer arrived and was sealed before it', async () => {
    await house.send(...answer('edited'));
    await house.settle();
    await house.send(...paused);
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({ revision: 1, resumed_by: trace('r') });
  });

  it('is not taken up by another service, another conversation, or a run that began before', async () => {
    await house.send(
      ...paused,
      { t: 'a', id: 'root', service: 'other', conversation_id: 'c', started_ns: '1700000100000000000' },
      { t: 'b', id: 'root', service: 'bot', conversation_id: 'd', started_ns: '1700000100000000000' },
      { t: 'e', id: 'root', service: 'bot', conversation_id: 'c', started_ns: '1600000000000000000' },
    );
    await house.settle();
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({ revision: 1, waiting_for: 'approval' });
    expect(await house.openRuns()).toEqual([]);
  });

  it('is taken up by no run that went into another', async () => {
    const [root] = answer('approved');
    await house.send(root as Span);
    await house.settle();
    await house.send({ ...(root as Span), id: 'late', parent: 'root', run_hint: 'turn' });
    await house.settle();
    await house.send(...paused);
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({ resumed_by: 'bot:turn' });
  });

  it('is taken up by the next of its conversation, however many of it were sealed together', async () => {
    const turns = Array.from({ length: 100 }, (_, i) => {
      const at = 1_700_000_000n + BigInt(i) * 10n;
      const all = { t: `w${i}`, service: 'bot', conversation_id: 'c', started_ns: `${at}000000000` };
      return [
        { ...all, id: 'root', ended_ns: `${at + 2n}000000000` },
        { ...all, id: 'ask', parent: 'root', status: 'ERROR', marks: ['interrupt'], ended_ns: `${at + 1n}000000000` },
      ];
    });
    await house.send(...turns.flat());
    await house.settle();
    const waiting = Object.values(await newest()).filter((run) => run['waiting_for'] !== undefined);
    expect(waiting.map((run) => run['run_id'])).toEqual([trace('w99')]);
    expect(await house.openRuns()).toEqual([]);
  });

  it('waits for a tool when it ended by asking for one that never began', async () => {
    const call = { t: 'w', id: 'call', parent: 'root', step_kind: 'LLM', finish_reasons: ['tool_calls'] };
    await house.send({ t: 'w', id: 'root', step_kind: 'AGENT', finish_reasons: ['tool_calls'] }, call);
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({ execution_status: 'RUNNING', waiting_for: 'tool_call' });
    await house.send({ t: 'w', id: 'tool', parent: 'root', step_kind: 'TOOL', started_ns: '1700000001000000000' });
    await house.settle();
    expect((await newest())[trace('w')]).toMatchObject({ revision: 2, execution_status: 'SUCCEEDED' });
  });

  it('is taken up once, also when the sealer forgets what it noted', async () => {
    await house.send(...paused);
    await house.settle();
    await house.send(...answer('approved'));
    await house.settle();
    const before = await house.stored(...SEALED);
    await house.pastTriggers(`delete from sworn.seal_cursor where tenant_id = $1`);
    await house.pastTriggers(`delete from sworn.open_run where tenant_id = $1`);
    await house.settle();
    expect(await house.stored(...SEALED)).toEqual(before);
  });
});
