import {
  type Attack,
  attacksLike,
  buildStage,
  openPlainTables,
  type PlainStrike,
  type PlainVerdict,
  type Stage,
  strike,
  testDatabase,
  type TestDatabase,
  type ToldOf,
} from '@sworn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Three full tiles of the tenant that is struck; `npm run tamper` has more. */
const SIZE = { runs: 140, neighbourRuns: 15 };
/** Attacks under way at once: while one waits for PostgreSQL, another computes. */
const LANES = 2;

let database: TestDatabase;
let stage: Stage;
let told: ReadonlyMap<Attack, Promise<ToldOf | null>>;

beforeAll(async () => {
  database = await testDatabase();
  stage = await buildStage(database, SIZE);
  told = strikeAll(attacksLike());
});
afterAll(async () => {
  await Promise.allSettled(told.values());
  await stage.close();
  await database.drop();
});

/** Strikes all, a few at once; each test waits for its own. */
function strikeAll(attacks: readonly Attack[]): ReadonlyMap<Attack, Promise<ToldOf | null>> {
  const lanes = Array.from({ length: LANES }, (): Promise<unknown> => Promise.resolve());
  return new Map(
    attacks.map((attack, i) => {
      const before = lanes[i % LANES] ?? Promise.resolve();
      const outcome = before.then(() => strike(stage, attack));
      lanes[i % LANES] = outcome.catch(() => undefined);
      // Whoever waits for it is told; nobody may be waiting yet.
      outcome.catch(() => undefined);
      return [attack, outcome];
    }),
  );
}

const struckHere = attacksLike().filter(({ needs }) => needs === undefined);

describe('the tamper campaign', () => {
  it.each(struckHere.filter(({ foundBy }) => !['nobody', 'elsewhere', 'no attack'].includes(foundBy)))(
    'tells of $name, where it is and of nothing else',
    async (attack) => expect((await told.get(attack))?.wrong).toEqual([]),
  );

  it.each(struckHere.filter(({ foundBy }) => foundBy === 'no attack'))('says nothing of $name', async (attack) =>
    expect((await told.get(attack))?.wrong).toEqual([]),
  );

  it.each(struckHere.filter(({ foundBy }) => foundBy === 'nobody' || foundBy === 'elsewhere'))(
    'cannot tell of $name, which is said in the open',
    async (attack) => expect((await told.get(attack))?.wrong).toEqual([]),
  );
});

/** What the two plain tables can tell, struck in the same way. */
const COMPARED: readonly (readonly [PlainStrike, PlainVerdict])[] = [
  ['edit', { triggersOnly: false, hashChain: true }],
  ['edit and recompute', { triggersOnly: false, hashChain: false }],
  ['delete one', { triggersOnly: true, hashChain: true }],
  ['delete the tail', { triggersOnly: false, hashChain: false }],
  ['delete a tenant', { triggersOnly: false, hashChain: false }],
  ['truncate', { triggersOnly: false, hashChain: false }],
  ['append', { triggersOnly: false, hashChain: false }],
  ['replace the tail', { triggersOnly: false, hashChain: false }],
  ['backdate', { triggersOnly: true, hashChain: true }],
  ['duplicate', { triggersOnly: true, hashChain: true }],
  ['swap', { triggersOnly: false, hashChain: true }],
  ['move', { triggersOnly: true, hashChain: true }],
  ['triggers off', { triggersOnly: false, hashChain: false }],
];

it('a table behind triggers sees gaps and times that go back, a hash chain edits too, and neither whoever rewrites it', async () => {
  const tables = await openPlainTables(stage);
  for (const [blow, verdict] of COMPARED) expect(await tables.judge(blow), blow).toEqual(verdict);
  await tables.close();
});
