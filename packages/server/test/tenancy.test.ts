import { type Endpoint, ENDPOINTS } from '@sworn/contract';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ITEMS } from '../src/http/questions.js';
import { parametersOf, wireValue } from './contractCases.js';
import type { Got } from './facadeClient.js';
import {
  buildTenantPair,
  entryId,
  NEVER,
  type Party,
  pathOf,
  SHARED,
  sharedIds,
  storedLeaves,
  type TenantPair,
} from './tenantPair.js';

/**
 * INV-LOG-TENANT-001: two tenants whose runs, traces, spans, conversations, correlations, log records and places are called alike. Whatever
 * either asks, of any endpoint and by any parameter, it is answered from its own, and as if the other were not there.
 */

/** Queries of one endpoint that are asked before and after the other tenant has anything, and of one property. */
const COMPARED = 24;
const FUZZED = 40;
/** Values of each parameter alone. */
const EACH = 2;

type Json = Readonly<Record<string, unknown>>;

/** A request of an endpoint: what stands in its path, and parameters as they go over the wire. */
interface Asked {
  readonly id: string;
  readonly query: string;
}

let pair: TenantPair;
/** What an answer to one party must not hold: hashes, ids and tokens of the other's records, and its words. */
let forbidden: ReadonlyMap<Party, ReadonlySet<string>>;
/** Values that stand in each party's own answers, by the name of the member, and so of the parameter. */
let seen: ReadonlyMap<Party, ReadonlyMap<string, readonly string[]>>;
/** What was asked when only one had evidence, with the answers. */
let alone: readonly { readonly endpoint: Endpoint; readonly asked: Asked; readonly answer: unknown }[];

const all: readonly Endpoint[] = ENDPOINTS;

beforeAll(async () => {
  pair = await buildTenantPair();
  const { ours, theirs, house } = pair;
  await pair.fill(ours);
  const values = await valuesOf(ours);
  // What was asked for meanwhile is built: it would change what is told of exports later.
  await exportsSettled(ours);
  // Reading makes records; those before this time stay what they are.
  const at = new Date().toISOString();
  // As the other will call its own, whose words are not there yet.
  const others = new Map(
    [...values].map(([name, list]) => [name, list.map((value) => value.replaceAll(ours.mark, theirs.mark))]),
  );
  const before = [];
  for (const endpoint of all) {
    const ids = [...sharedIds(endpoint), ours.ownRun, theirs.ownRun, NEVER];
    for (const { id, query } of fc.sample(requests(endpoint, ids, [values, others]), COMPARED)) {
      const asked = {
        id,
        query: grows(endpoint) && !query.includes('recorded_before') ? `${query}&recorded_before=${at}` : query,
      };
      before.push({ endpoint, asked, answer: lasting(endpoint, await ask(ours, endpoint, asked)) });
    }
  }
  alone = before;
  await pair.fill(theirs);
  // Longer than ours, so that it has places which ours has not.
  for (let n = 0; n < 30; n++) await house.keys.issue({ tenantId: theirs.id, role: 'reader' });
  seen = new Map([
    [ours, values],
    [theirs, await valuesOf(theirs)],
  ]);
  forbidden = new Map([
    [ours, await tracesOf(theirs)],
    [theirs, await tracesOf(ours)],
  ]);
}, 300_000);
afterAll(() => pair?.close());

/** Reading it makes one more record of those that it lists. */
const grows = ({ permission, shape }: Endpoint): boolean => permission === 'logs.audit' && shape === 'list';

const ask = (of: Party, endpoint: Endpoint, { id, query }: Asked): Promise<Got> =>
  pair.ask(of, `${pathOf(endpoint, id)}?${query}`);

/** Resolves when no export of the party is under way. */
async function exportsSettled(of: Party): Promise<void> {
  const endpoint = all.find(({ id }) => id === 'llm_runs.export') as Endpoint;
  const pending = async () => {
    const answers = [];
    for (const id of [...sharedIds(endpoint), of.ownRun])
      for (const disclose of ['none', 'governance', 'all'])
        answers.push(await ask(of, endpoint, { id, query: `disclose=${disclose}` }));
    return answers.filter(({ json }) => (json as { status?: string }).status === 'PENDING').length;
  };
  while ((await pending()) > 0) {
    // Its attestation waits for a checkpoint over the record of its making, and here nobody else signs.
    await pair.house.sign(of.id);
    await sleep(100);
  }
}

/** Members of a party's answers, and of records in them, that a parameter may be about. */
async function valuesOf(of: Party): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, Set<string>>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === 'object') look(member);
      else found.set(name, (found.get(name) ?? new Set()).add(String(member)));
    }
  };
  for (const endpoint of all)
    for (const id of sharedIds(endpoint)) look((await ask(of, endpoint, { id, query: '' })).json);
  return new Map([...found].map(([name, values]) => [name, [...values].slice(0, 12)]));
}

/** Everything by which a record of this party would be known in an answer. */
async function tracesOf(of: Party): Promise<ReadonlySet<string>> {
  const traces = new Set([of.id, of.ownRun, of.mark]);
  for (const { leaf, checksum } of await storedLeaves(pair.house, of.id)) {
    traces.add(checksum.slice('sha256:'.length));
    for (const [token] of leaf.toString('utf8').matchAll(/tok_[0-9a-f]{32}/g)) traces.add(token);
  }
  for (const { key_id } of await pair.house.database.admin<{ key_id: string }>(
    `select key_id from sworn.api_key where tenant_id = $1`,
    [of.id],
  ))
    traces.add(key_id);
  return traces;
}

/** What a text names: marks, hashes, UUIDs, tokens. */
const NAMES = /kestrel|ostrich|tok_[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{32}/g;

/** `said`: what the asker wrote himself and may be told again. */
function expectNothingOfOthers(to: Party, { json }: Got, said: string): void {
  const others = forbidden.get(to) ?? new Set();
  const crossed = [...heard(json).matchAll(NAMES)].map(([name]) => name).filter((name) => others.has(name));
  expect(
    crossed.filter((name) => !said.includes(name)),
    said,
  ).toEqual([]);
}

/**
 * An answer without what its readers once asked for: a filter may name anything, and records of reads say so; a token in it that stands for
 * nobody here is told to do so.
 */
function heard(json: unknown): string {
  return JSON.stringify(json, (name, value: unknown) => {
    if (/^filters(_applied)?$/.test(name)) return undefined;
    return name === 'clear' ? Object.entries(value as object).filter(([, who]) => who !== null) : value;
  });
}

/** Up to four parameters, each once, of what either party has, of examples of its schema, and of what no schema thinks of. */
function requests(
  endpoint: Endpoint,
  ids: readonly string[],
  pools: readonly ReadonlyMap<string, readonly string[]>[],
): fc.Arbitrary<Asked> {
  const parameters = parametersOf(endpoint).map((parameter) => parameterOf(parameter, pools));
  const query = fc
    .subarray(parameters, { maxLength: Math.min(parameters.length, 4) })
    .chain((some) => (some.length === 0 ? fc.constant('') : fc.tuple(...some).map((parts) => parts.join('&'))));
  return fc.record({ id: fc.constantFrom(...ids), query });
}

/** `name=value`, as it goes over the wire. */
function parameterOf(
  [name, schema]: ReturnType<typeof parametersOf>[number],
  pools: readonly ReadonlyMap<string, readonly string[]>[],
): fc.Arbitrary<string> {
  const known = [...new Set([...pools.flatMap((pool) => pool.get(name) ?? []), ...sharedValue(name)])];
  const drawn = wireValue(schema);
  const value =
    known.length === 0
      ? drawn
      : fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...known).map(encodeURIComponent) },
          { weight: 1, arbitrary: drawn },
        );
  return value.map((wire) => `${name}=${wire}`);
}

const sharedValue = (name: string): readonly string[] => (name in SHARED ? [SHARED[name as keyof typeof SHARED]] : []);

/** Of an answer what stays when nothing of the tenant's own changes: reading makes records of itself, which how things are now tells of. */
function lasting(endpoint: Endpoint, { status, json }: Got): unknown {
  const member = ITEMS[endpoint.id as keyof typeof ITEMS];
  if (status !== 200)
    return { status, code: (json as Json | null)?.['code'], errors: (json as Json | null)?.['errors'] };
  if (endpoint.shape === 'status') return { status };
  if (!grows(endpoint) || member === undefined) return { status, json: json as unknown };
  return { status, items: (json as Json)[member], filters_applied: (json as Json)['filters_applied'] };
}

describe.each(all)('INV-LOG-TENANT-001: $id', (endpoint) => {
  it('answers as if no other tenant were there', async () => {
    for (const { asked, answer } of alone.filter((one) => one.endpoint === endpoint)) {
      expect(lasting(endpoint, await ask(pair.ours, endpoint, asked)), JSON.stringify(asked)).toEqual(answer);
    }
  });

  it('tells nothing of the other to either, whatever is asked by whatever parameter', async () => {
    const parties = [pair.ours, pair.theirs];
    const pools = parties.flatMap((of) => seen.get(of) ?? []);
    const ids = [...sharedIds(endpoint), ...parties.map(({ ownRun }) => ownRun), entryId('control', 12), NEVER];
    for (const parameter of parametersOf(endpoint)) {
      for (const query of fc.sample(parameterOf(parameter, pools), EACH)) {
        for (const of of parties) {
          const [id = ''] = ids;
          expectNothingOfOthers(of, await ask(of, endpoint, { id, query }), decodeURIComponentOf(query));
        }
      }
    }
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...parties), requests(endpoint, ids, pools), async (of, asked) => {
        const got = await ask(of, endpoint, asked);
        expect([200, 400, 404], `${asked.id}?${asked.query} ${got.text}`).toContain(got.status);
        expectNothingOfOthers(of, got, decodeURIComponentOf(`${asked.id} ${asked.query}`));
      }),
      { numRuns: FUZZED, endOnFailure: true },
    );
  });

  it('finds nothing by what only the other’s records say', async () => {
    const member = ITEMS[endpoint.id as keyof typeof ITEMS];
    if (member === undefined) return;
    const [id = ''] = sharedIds(endpoint);
    let asked = 0;
    for (const [of, other] of [
      [pair.ours, pair.theirs],
      [pair.theirs, pair.ours],
    ] as const) {
      for (const [name] of parametersOf(endpoint)) {
        const theirOwn = (seen.get(other)?.get(name) ?? []).filter(
          (value) => forbidden.get(of)?.has(value) || value.includes(other.mark),
        );
        for (const value of theirOwn) {
          const got = await ask(of, endpoint, { id, query: `${name}=${encodeURIComponent(value)}` });
          if (got.status !== 200) expect(got.status, got.text).toBe(400);
          else expect((got.json as Json)[member], `${name}=${value}`).toEqual([]);
          asked += 1;
        }
      }
    }
    if (endpoint.id === 'llm_runs.list') expect(asked).toBeGreaterThan(8);
  });

  it('takes no cursor of the other, and knows nothing under its ids', async () => {
    const [id = ''] = sharedIds(endpoint);
    const { json } = await ask(pair.theirs, endpoint, {
      id,
      query: parametersOf(endpoint).some(([name]) => name === 'limit') ? 'limit=1' : '',
    });
    const cursor = (json as Json)['next_cursor'];
    if (typeof cursor === 'string') {
      const own = await ask(pair.theirs, endpoint, { id, query: `limit=1&cursor=${cursor}` });
      const crossed = await ask(pair.ours, endpoint, { id, query: `limit=1&cursor=${cursor}` });
      expect([own.status, crossed.status]).toEqual([200, 400]);
    }
    if (endpoint.params.length === 0) return;
    const isRun = endpoint.params.includes('run_id');
    const [others, nobodys] = isRun ? [pair.theirs.ownRun, NEVER] : [entryId('control', 25), entryId('control', 9_999)];
    expect((await ask(pair.theirs, endpoint, { id: others, query: '' })).status).toBe(200);
    const masked = ({ status, json: problem }: Got): unknown => ({ status, ...(problem as Json), instance: '' });
    const [theirs, none] = [
      await ask(pair.ours, endpoint, { id: others, query: '' }),
      await ask(pair.ours, endpoint, { id: nobodys, query: '' }),
    ];
    expect(theirs.status).toBe(404);
    expect(masked(theirs)).toEqual(masked(none));
  });
});

function decodeURIComponentOf(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
