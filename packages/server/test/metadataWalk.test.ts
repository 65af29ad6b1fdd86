import { setTimeout as sleep } from 'node:timers/promises';
import { type Endpoint, ENDPOINTS } from '@sworn/contract';
import { treeHash } from '@sworn/evidence';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ITEMS } from '../src/http/questions.js';
import { buildTenantPair, pathOf, sharedIds, storedLeaves, type StoredRow, type TenantPair } from './tenantPair.js';

/**
 * INV-LOG-META-001 (CONTRACT.md 2), by a walk over real answers of every endpoint there is. What an answer says of a record is held against
 * the leaf as it is stored, and what it says of itself against its items.
 */

// What is asked of every answer: names and shapes of CONTRACT.md 2, written out here and not taken from the schemas.
const STRING = expect.any(String) as unknown;
const NULLABLE = expect.toSatisfy((value: unknown) => value === null || typeof value === 'string');
const TIME = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/) as unknown;
const STRINGS = expect.toSatisfy(
  (value: unknown) => Array.isArray(value) && value.length <= 100 && value.every((one) => typeof one === 'string'),
);
const SPINE = {
  tenant_id: STRING,
  run_id: NULLABLE,
  human_actor_id: NULLABLE,
  agent_id: NULLABLE,
  system_id: NULLABLE,
  actor_basis: expect.stringMatching(/^(AUTHENTICATED|OBSERVED|CLAIMED)$/) as unknown,
  occurred_at: TIME,
  recorded_at: TIME,
  timezone: 'UTC',
  trace_id: NULLABLE,
  correlation_id: NULLABLE,
  export_id: NULLABLE,
  policy_ids: STRINGS,
  incident_ids: STRINGS,
  source_domain: expect.stringMatching(/^(ACTIVITY|POLICY|INCIDENTS|LOGS|SYSTEM)$/) as unknown,
  source_component: STRING,
  origin: expect.stringMatching(/^(SYSTEM|HUMAN|AGENT|MIGRATION|REPLAY)$/) as unknown,
  checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as unknown,
  immutable: expect.any(Boolean) as unknown,
  integrity: expect.any(Object) as unknown,
};
const STATE = {
  state: expect.stringMatching(/^(DURABLE|COVERED)$/) as unknown,
  covered_at: NULLABLE,
  tier: expect.stringMatching(/^(SELF_ATTESTED|EXTERNALLY_HELD)$/) as unknown,
};
/** Of values that items share. */
const SHARED_VALUES = ['run_id', 'trace_id', 'correlation_id', 'human_actor_id', 'agent_id', 'system_id'] as const;

type Json = Readonly<Record<string, unknown>>;
interface Metadata extends Json {
  readonly tenant_id: string;
  readonly occurred_at: string;
  readonly recorded_at: string;
  readonly checksum: string;
  readonly policy_ids: readonly string[];
  readonly incident_ids: readonly string[];
  readonly integrity: {
    readonly log?: string;
    readonly leaf_index?: number;
    readonly logs?: readonly { readonly log: string; readonly size: number }[];
    readonly state: string;
    readonly covered_at: string | null;
  };
}

let pair: TenantPair;
let leaves: Map<string, StoredRow>;
let created: string;
beforeAll(async () => {
  pair = await buildTenantPair();
  await pair.fill(pair.ours);
}, 120_000);
afterAll(() => pair?.close());

const keyOf = (owner: unknown, log: unknown, index: unknown): string =>
  `${String(owner)} ${String(log)} ${String(index)}`;

/** An answer, and what was stored when it was made. */
async function ask(endpoint: Endpoint, query = ''): Promise<{ readonly json: Json; readonly metadata: Metadata }> {
  const [id = ''] = sharedIds(endpoint);
  const got = await pair.ask(pair.ours, `${pathOf(endpoint, id)}${query}`);
  expect(got.status, got.text).toBe(200);
  leaves = new Map();
  // Shared records of the platform are nobody else's.
  for (const [owner, tenantId] of [
    [pair.ours.id, pair.ours.id],
    ['platform', pair.house.platformTenant],
  ] as const)
    for (const row of await storedLeaves(pair.house, tenantId)) leaves.set(keyOf(owner, row.log, row.index), row);
  const rows = await pair.house.database.admin<{ at: string }>(
    `select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.tenant where tenant_id = $1`,
    [pair.ours.id],
  );
  created = rows[0]?.at ?? '';
  const json = got.json as Json;
  return { json, metadata: json['metadata'] as Metadata };
}

/** The items of an answer that are records, compromised ones not among them. */
function itemsOf(endpoint: Endpoint, json: Json): readonly Json[] {
  const member = ITEMS[endpoint.id as keyof typeof ITEMS];
  const items = (member === undefined ? [] : json[member]) as readonly Json[];
  return items.filter((item) => item['compromised'] !== true);
}

/** Every time that stands in an answer. */
function timesIn(value: unknown): string[] {
  if (typeof value === 'string') return /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(value) ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(timesIn) : [];
}

/** What a record's metadata says is what its leaf says. */
function expectStored(metadata: Metadata): void {
  expect(metadata).toEqual(SPINE);
  const { log, leaf_index, ...state } = metadata.integrity;
  expect(state).toEqual(STATE);
  const row = leaves.get(keyOf(metadata.tenant_id, log, leaf_index));
  expect(row, `${log} ${leaf_index}`).toBeDefined();
  const { recorded_at, occurred_at } = row?.members ?? {};
  expect(metadata).toMatchObject({ checksum: row?.checksum, recorded_at, occurred_at });
  expect(row?.members['log']).toContain(metadata.tenant_id === 'platform' ? pair.house.platformTenant : pair.ours.id);
}

const all: readonly Endpoint[] = ENDPOINTS;

describe.each(all)('INV-LOG-META-001: $id', (endpoint) => {
  it('leaves out no field, of the answer and of each record in it', async () => {
    const { json, metadata } = await ask(endpoint);
    expect(metadata).toEqual(SPINE);
    const { logs, log, leaf_index, ...state } = metadata.integrity;
    expect(state).toEqual(STATE);
    // Of one record its place, of many the pinned sizes; never both.
    expect((logs === undefined) !== (log === undefined && leaf_index === undefined)).toBe(true);
    const items = itemsOf(endpoint, json);
    if (endpoint.shape === 'list' || endpoint.shape === 'long') expect(items.length).toBeGreaterThan(0);
    for (const item of items) {
      if (item['metadata'] !== undefined) expectStored(item['metadata'] as Metadata);
      else expect(item).toMatchObject({ leaf_index: expect.any(Number), checksum: SPINE.checksum, recorded_at: TIME });
    }
    if (logs === undefined) expectStored(metadata);
  });

  it('says no time that is the request’s', async () => {
    // What the server believes to be now is an hour ahead: neither that nor the true time may stand in an answer.
    const HOUR = 3_600_000;
    pair.house.advance(HOUR);
    try {
      await sleep(5);
      const asked = Date.now();
      const { json } = await ask(endpoint);
      const answered = Date.now();
      const isNow = (time: string): boolean =>
        [0, HOUR].some((ahead) => Date.parse(time) >= asked + ahead && Date.parse(time) <= answered + ahead);
      const times = timesIn(json);
      expect(times.length).toBeGreaterThan(0);
      expect(times.filter(isNow)).toEqual([]);
    } finally {
      pair.house.advance(-HOUR);
    }
  });

  it('is, of many records, made of them', async () => {
    for (const query of endpoint.shape === 'list' ? ['', '?limit=1', '?limit=3'] : ['']) {
      const { json, metadata } = await ask(endpoint, query);
      if (metadata.integrity.logs === undefined || endpoint.shape === 'status') continue;
      const items = itemsOf(endpoint, json);
      expect(metadata).toMatchObject({ source_component: 'LogsFacade', origin: 'SYSTEM', tenant_id: pair.ours.id });
      for (const { log, size } of metadata.integrity.logs)
        expect(leaves.has(keyOf(pair.ours.id, log, size - 1)) || size === 0).toBe(true);
      const own = items.flatMap((item) => (item['metadata'] === undefined ? [] : [item['metadata'] as Metadata]));
      if (own.length === items.length) expectMadeOf(metadata, own);
      // Steps and points have their time and place alone.
      else expect(metadata.recorded_at).toBe(newestOf(items.map((item) => String(item['recorded_at']))));
    }
  });

  it('has, of no record, the time of the newest there is, or of the tenant’s beginning', async () => {
    if (endpoint.shape !== 'list') return;
    const { json, metadata } = await ask(endpoint, '?recorded_before=2001-01-01');
    expect(itemsOf(endpoint, json)).toEqual([]);
    expect(metadata).toMatchObject(Object.fromEntries(SHARED_VALUES.map((name) => [name, null])));
    expect([metadata.policy_ids, metadata.incident_ids]).toEqual([[], []]);
    const newest = (metadata.integrity.logs ?? []).flatMap(({ log, size }) => {
      const row = leaves.get(keyOf(pair.ours.id, log, size - 1));
      return row === undefined ? [] : [[row.members['occurred_at'], row.members['recorded_at']]];
    });
    expect([...newest, [created, created]]).toContainEqual([metadata.occurred_at, metadata.recorded_at]);
  });
});

const newestOf = (times: readonly string[]): string | undefined => times.toSorted().at(-1);

/** CONTRACT.md 2, "Aggregates". */
function expectMadeOf(metadata: Metadata, items: readonly Metadata[]): void {
  const shared = (name: (typeof SHARED_VALUES)[number]): unknown =>
    items.every((item) => item[name] === items[0]?.[name]) ? items[0]?.[name] : null;
  const union = (name: 'policy_ids' | 'incident_ids'): string[] => [...new Set(items.flatMap((item) => item[name]))];
  const newest = (name: 'occurred_at' | 'recorded_at'): unknown => newestOf(items.map((item) => item[name]));
  const inOrder = items.toSorted((a, b) => {
    const [x, y] = [a.integrity, b.integrity];
    return x.log === y.log ? Number(x.leaf_index) - Number(y.leaf_index) : String(x.log) < String(y.log) ? -1 : 1;
  });
  const hash = treeHash(inOrder.map(({ checksum }) => Buffer.from(checksum.slice('sha256:'.length), 'hex')));
  const isCovered = items.every((item) => item.integrity.state === 'COVERED');
  expect(metadata).toMatchObject({
    ...Object.fromEntries(SHARED_VALUES.map((name) => [name, shared(name)])),
    occurred_at: newest('occurred_at'),
    recorded_at: newest('recorded_at'),
    checksum: `sha256:${Buffer.from(hash).toString('hex')}`,
    immutable: isCovered,
  });
  for (const name of ['policy_ids', 'incident_ids'] as const)
    expect(metadata[name].toSorted()).toEqual(union(name).slice(0, 100).toSorted());
  expect(metadata.integrity.state).toBe(isCovered ? 'COVERED' : 'DURABLE');
}
