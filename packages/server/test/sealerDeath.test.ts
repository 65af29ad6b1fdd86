import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NotSequenced } from '../src/record/notSequenced.js';
import type { Sealer } from '../src/seal/sealer.js';
import { asking, lending } from './mortal.js';
import { idOf, openSealerHouse, type SealerHouse, type Span, type Told } from './sealerHouse.js';

let house: SealerHouse;
beforeAll(async () => {
  house = await openSealerHouse();
});
afterAll(() => house.close());

const named = (run: string, span: Span): Span => ({ ...span, run_hint: run, service: 'bot' });
const later = { started_ns: '1700000100000000000', ended_ns: '1700000101000000000' };
/** A run of its own, one of two traces, one carved out of another's trace, one that waits, and one that takes it up. */
const SPANS: readonly Span[] = [
  { t: 'own', id: 'root' },
  { t: 'shared', id: 'job' },
  named('1', { t: 'shared', id: 'first', parent: 'job' }),
  named('2', { t: 'shared', id: 'second', parent: 'job' }),
  named('1', { t: 'shared', id: 'inner', parent: 'second' }),
  named('1', { t: 'more', id: 'turn' }),
  { t: 'asks', id: 'root', service: 'bot', conversation_id: 'c', ended_ns: '1700000002000000000' },
  { t: 'asks', id: 'ask', parent: 'root', status: 'ERROR', marks: ['interrupt'] },
  { t: 'answers', id: 'root', service: 'bot', conversation_id: 'c', ...later },
  { t: 'answers', id: 'resume', parent: 'root', marks: ['approved'], ...later },
];
const LATE: readonly Span[] = [
  { t: 'own', id: 'late', parent: 'root' },
  named('3', { t: 'own', id: 'taken', parent: 'late' }),
];

/** What is said of them at first, and later: of a run by its id, by its trace, in a trace that runs share. */
const TOLD: readonly Told[] = [
  { id: 'first', t: 'own', category: 'VIOLATION', policy_id: 'p-1', decision: 'DENY', call_id: 'c-1' },
  { id: 'shared', t: 'shared', category: 'EVALUATION', policy_id: 'p-2' },
];
const TOLD_LATE: readonly Told[] = [
  { id: 'linked', run_id: 'bot:1', incident_id: 'i-1' },
  { id: 'late', t: 'asks', category: 'APPROVAL_DECISION', policy_id: 'p-3' },
  // Against what a policy said of the call before: an override, for the sealer to conclude.
  {
    id: 'allows',
    t: 'own',
    category: 'APPROVAL_DECISION',
    decision: 'ALLOW',
    call_id: 'c-1',
    human_actor_id: 'tok_ada',
  },
];

/** A process that is killed at one of its statements: after that was done and before anybody knows, which is before the next one too. */
class Killed extends Error {}

interface Mortal {
  readonly sealer: Sealer;
  /** Statements of transactions that write, and calls of the sequencer, until it died. */
  done: number;
}

function mortalSealer(dieAt: number): Mortal {
  const life = {
    done: 0,
    async step<T>(work: () => Promise<T>): Promise<T> {
      const at = ++life.done;
      if (at > dieAt) throw new Killed('killed');
      const result = await work();
      if (at === dieAt) throw new Killed('killed');
      return result;
    },
  };
  // What is released after a death is not usable: its connection ends, and the database rolls back.
  const dying = lending(house.database.db, async (take, role) => {
    const client = await take();
    return role === 'reader'
      ? client
      : asking(client, (query) => life.step(() => client.query(query as pg.QueryConfig)));
  });
  const sealer = house.sealer({
    db: dying,
    append: (tenantId, drafts) =>
      life
        .step(() => house.writer.append(tenantId, drafts))
        .catch((cause: unknown) => {
          throw cause instanceof Killed ? new NotSequenced('killed') : cause;
        }),
  });
  return Object.assign(life, { sealer });
}

/** What the newest revisions say, but for their place in the log and in time. */
async function newest(): Promise<ReadonlyMap<unknown, unknown>> {
  const runs = new Map<unknown, unknown>();
  for (const { members } of await house.expectSoundRuns(true)) {
    const { run_id, steps, traces, execution_status, resumed_by, superseded_by, waiting_for } = members;
    const { events, policy_ids, incident_ids } = members;
    const said = { steps, traces, execution_status, resumed_by, superseded_by, waiting_for };
    Object.assign(said, { events, policy_ids, incident_ids });
    runs.set(run_id, said);
  }
  return runs;
}

/** Of what each override was concluded. */
async function overrides(): Promise<readonly unknown[]> {
  const leaves = await house.stored('OVERRIDE');
  return leaves.map(({ members }) => [members.rule, members.trace_id, members.call_id, members.decision]);
}

async function live(first: Sealer): Promise<void> {
  house.tenantId = await house.newTenant();
  await house.send(...SPANS);
  await house.tell(...TOLD);
  await house.settle(first);
  await house.send(...LATE);
  await house.tell(...TOLD_LATE);
  await house.settle(first);
}

it('a sealer that is killed at any of its statements leaves a history that the next one completes', async () => {
  await live(house.sealer());
  const expected = await newest();
  expect(expected.size).toBe(6);
  expect(await overrides()).toEqual([['override.human', idOf('own', 16), 'c-1', 'ALLOW']]);
  expect(expected.get('bot:1')).toMatchObject({ events: 2, incident_ids: ['i-1'], policy_ids: ['p-2'] });
  const whole = mortalSealer(Number.MAX_SAFE_INTEGER);
  await live(whole.sealer);
  expect(await newest()).toEqual(expected);
  let deaths = 0;
  for (let at = 1; at <= whole.done; at++) {
    const { sealer } = mortalSealer(at);
    await live(sealer).then(
      () => undefined,
      () => deaths++,
    );
    const late = (await house.stored('STEP')).length === SPANS.length ? LATE : [];
    await house.settle();
    await house.send(...late);
    if (late.length > 0) await house.tell(...TOLD_LATE);
    await house.settle();
    expect(await newest(), `killed at ${at}`).toEqual(expected);
    expect(await overrides(), `killed at ${at}`).toHaveLength(1);
    expect(await house.openRuns(), `killed at ${at}`).toEqual([]);
  }
  expect(deaths).toBe(whole.done);
});
