import { timeOf } from '@sworn/evidence';
import { type Endpoint, ENDPOINTS, FACADE_PREFIX } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { KEY_TOPICS, type KeyBounds, type KeyTopic, UNBOUNDED } from '../src/access/keyBounds.js';
import { ITEMS } from '../src/http/questions.js';
import { buildContractHouse, type ContractHouse, pathOf, type Told } from './contractHouse.js';
import { BASE } from './facadeSpans.js';

/** What a key may see of what its role may see, asked of every endpoint there is. */

const HOUR_NS = 3_600_000_000_000n;
/** The hour of the run of the suite; its reads came days later. */
const HOUR = { ...UNBOUNDED, occurredFrom: timeOf(BASE - HOUR_NS), occurredBefore: timeOf(BASE + HOUR_NS) };
const LATER = { ...UNBOUNDED, occurredFrom: HOUR.occurredBefore };

/** Topics that an endpoint shows, where its path does not say it. */
const BOTH = ['llm_runs.replay', 'system.audit'];
const TOPICS: Readonly<Record<string, readonly KeyTopic[]>> = {
  llm_runs: ['LLM_RUNS'],
  system: ['SYSTEM_LOGS'],
  audit: ['AUDIT'],
};
const topicsOf = ({ id }: Endpoint) =>
  BOTH.includes(id) ? ['LLM_RUNS', 'SYSTEM_LOGS'] : (TOPICS[id.split('.')[0] ?? ''] ?? []);
/** Endpoints whose contents cannot be left out. */
const TELLING = [
  'llm_runs.governance',
  'llm_runs.replay',
  'system.list',
  'system.events',
  'system.replay',
  'system.snapshot',
  'system.telemetry',
  'audit.entry',
];

let house: ContractHouse;
beforeAll(async () => {
  house = await buildContractHouse();
}, 120_000);
afterAll(() => house?.close());

async function keyWith(bounds: Partial<KeyBounds>): Promise<string> {
  const request = { tenantId: house.mine.id, role: 'auditor', bounds: { ...UNBOUNDED, ...bounds } } as const;
  return (await house.deployment.keys.issue(request)).key;
}
const ofPath = (endpoint: Endpoint): string =>
  pathOf(endpoint, endpoint.params.includes('entry_id') ? house.entries.sealed : house.runs.sealed);
const ask = (path: string, key: string): Promise<Told> => house.ask(path, { key });
const outcome = ({ status, json }: Told) => (status === 200 ? 200 : [status, json.code]);
const DENIED = [403, 'permission_denied'];

describe('a key for some topics', () => {
  test.each(KEY_TOPICS)(
    '%s: is refused where another is shown, and answered where it is the only one',
    async (topic) => {
      const key = await keyWith({ topics: [topic] });
      for (const endpoint of ENDPOINTS) {
        const isForIt = topicsOf(endpoint).every((one) => one === topic);
        expect(outcome(await ask(ofPath(endpoint), key)), endpoint.id).toEqual(isForIt ? 200 : DENIED);
      }
      for (const [log, of] of [
        ['llm-runs', 'LLM_RUNS'],
        ['system', 'SYSTEM_LOGS'],
        ['audit', 'AUDIT'],
        ['control', 'AUDIT'],
        ['access', 'AUDIT'],
      ] as const) {
        const { status } = await ask(`/tlog/${house.mine.id}/${log}/checkpoint`, key);
        expect([log, status === 403]).toEqual([log, of !== topic]);
      }
    },
  );

  it('is told how many records of others there were, and none of them', async () => {
    const key = await keyWith({ topics: ['LLM_RUNS', 'SYSTEM_LOGS'] });
    const path = `${FACADE_PREFIX}/llm-runs/${house.runs.sealed}`;
    const { json: seen } = await ask(`${path}/replay`, house.mine.auditor);
    const { json } = await ask(`${path}/replay`, key);
    const policy = (answer: typeof json) =>
      answer.sources.find(({ source }: { source: string }) => source === 'policy');
    const told = seen.events.filter(({ source }: { source: string }) => source === 'policy').length;
    expect(told).toBeGreaterThan(0);
    expect(policy(seen)).toMatchObject({ status: 'AVAILABLE', withheld: null });
    expect(policy(json)).toMatchObject({ status: 'WITHHELD', withheld: told });
    expect(json.events.filter(({ source }: { source: string }) => source === 'policy')).toEqual([]);
    const { json: described } = await ask(`${path}/export`, key);
    expect(described.asked.items).toEqual([]);
  });

  it('is told of no other log how long it is, what was found there, or where a leaf of it lies', async () => {
    const key = await keyWith({ topics: ['AUDIT'] });
    const path = `${FACADE_PREFIX}/audit/integrity`;
    const all = (await ask(path, house.mine.auditor)).json;
    const { json } = await ask(path, key);
    const logsOf = ({ logs }: typeof json) => logs.map(({ log }: { log: string }) => log);
    expect([logsOf(json), json.logs_withheld]).toEqual([['access', 'audit', 'control'], 2]);
    expect([logsOf(all).length, all.logs_withheld]).toEqual([5, 0]);
    expect(json.anomalies.every(({ log }: { log: string }) => logsOf(json).includes(log))).toBe(true);
    for (const query of ['', '&leaf_index=0'])
      expect(outcome(await ask(`${path}?log=llm-runs${query}`, key))).toEqual(DENIED);
    expect((await ask(`${path}?log=audit&leaf_index=0`, key)).status).toBe(200);
  });
});

describe('a key for a range of time', () => {
  it('lists what happened in it and nothing else, and the answer says so', async () => {
    const key = await keyWith(HOUR);
    for (const endpoint of ENDPOINTS.filter(({ shape }) => shape === 'list')) {
      const { json, status } = await ask(`${ofPath(endpoint)}?limit=100`, key);
      expect(status, endpoint.id).toBe(200);
      expect(json.filters_applied).toMatchObject({
        occurred_after: HOUR.occurredFrom,
        occurred_before: HOUR.occurredBefore,
      });
      for (const item of json[ITEMS[endpoint.id] ?? 'items']) {
        if (item.compromised !== undefined) continue;
        const at = item.metadata.occurred_at as string;
        expect(at >= (HOUR.occurredFrom ?? '') && at < (HOUR.occurredBefore ?? ''), `${endpoint.id} ${at}`).toBe(true);
      }
    }
    const { json } = await ask(`${FACADE_PREFIX}/llm-runs?limit=100`, key);
    expect(json.items.map(({ run_id: id }: { run_id: string }) => id)).toContain(house.runs.sealed);
    expect((await ask(`${FACADE_PREFIX}/audit/access`, key)).json.items).toEqual([]);
  });

  it('cannot be asked for more, only for less', async () => {
    const key = await keyWith(HOUR);
    const list = `${FACADE_PREFIX}/llm-runs`;
    expect((await ask(`${list}?occurred_after=2020-01-01`, key)).json.filters_applied.occurred_after).toBe(
      HOUR.occurredFrom,
    );
    expect(outcome(await ask(`${list}?occurred_after=${LATER.occurredFrom}`, key))).toEqual(DENIED);
    expect(outcome(await ask(`${list}?occurred_before=2020-01-01`, key))).toEqual(DENIED);
    const half = timeOf(BASE - HOUR_NS / 2n);
    expect((await ask(`${list}?occurred_after=${half}`, key)).json.filters_applied.occurred_after).toBe(half);
    const { json } = await ask(`${list}?limit=1`, house.mine.auditor);
    const crawl = await ask(`${list}?limit=1&cursor=${json.next_cursor}`, key);
    expect(outcome(crawl)).toEqual([400, 'invalid_parameter']);
  });

  it.each(ENDPOINTS.filter(({ params }: Endpoint) => params.length > 0) as readonly Endpoint[])(
    '$id: answers what happened in it alone',
    async (endpoint) => {
      const isRun = endpoint.params.includes('run_id');
      const [inside, outside] = isRun ? [HOUR, LATER] : [LATER, HOUR];
      expect(outcome(await ask(ofPath(endpoint), await keyWith(inside)))).toBe(200);
      const refused = await ask(ofPath(endpoint), await keyWith(outside));
      expect(outcome(refused)).toEqual(DENIED);
      expect(refused.json.detail).toContain(outside.occurredFrom);
      const nowhere = pathOf(endpoint, house.runs.never);
      expect(outcome(await ask(nowhere, await keyWith(outside)))).toEqual([404, 'not_found']);
    },
  );

  it('reads hashes of a log, but none of its entries: they stand side by side whenever they happened', async () => {
    const key = await keyWith(HOUR);
    const log = `/tlog/${house.mine.id}/llm-runs`;
    const checkpoint = await ask(`${log}/checkpoint`, key);
    expect(checkpoint.status).toBe(200);
    const size = Math.min(256, Number(checkpoint.text.split('\n')[1]));
    const tile = size === 256 ? '000' : `000.p/${size}`;
    expect((await ask(`${log}/tile/0/${tile}`, key)).status).toBe(200);
    expect((await ask(`${log}/tile/entries/${tile}`, house.mine.auditor)).status).toBe(200);
    expect(outcome(await ask(`${log}/tile/entries/${tile}`, key))).toEqual(DENIED);
  });
});

describe('a key for less than whole contents', () => {
  it.each(['none', 'hashes'] as const)(
    '%s: is refused where they are shown, and gets the rest without them',
    async (payloads) => {
      const key = await keyWith({ payloads });
      for (const endpoint of ENDPOINTS)
        expect(outcome(await ask(ofPath(endpoint), key)), endpoint.id).toEqual(
          TELLING.includes(endpoint.id) ? DENIED : 200,
        );
      const trace = `${FACADE_PREFIX}/llm-runs/${house.runs.sealed}/trace`;
      expect(outcome(await ask(`${trace}?fields=io`, key))).toEqual(DENIED);
      const steps = (await ask(trace, key)).json.steps as { input_hash: string | null; output_hash: string | null }[];
      const hashes = steps.flatMap(({ input_hash: i, output_hash: o }) => [i, o]);
      expect(hashes.some((hash) => hash !== null)).toBe(payloads === 'hashes');
    },
  );
});

it('a key is listed with what it is for, and its row says no more than its leaf', async () => {
  const bounds = {
    topics: ['AUDIT'],
    occurredFrom: HOUR.occurredFrom,
    occurredBefore: null,
    payloads: 'hashes',
  } as const;
  const { keyId, key } = await house.deployment.keys.issue({ tenantId: house.mine.id, role: 'auditor', bounds });
  const listed = await house.ask(`${FACADE_PREFIX}/audit/identity?event_type=KEY_CREATED&entity_id=${keyId}`);
  expect(listed.json.items).toMatchObject([
    {
      entity_id: keyId,
      key: {
        role: 'auditor',
        topics: ['AUDIT'],
        occurred_from: HOUR.occurredFrom,
        occurred_before: null,
        payloads: 'hashes',
        scopes: [],
        services: [],
      },
    },
  ]);
  for (const widened of [
    'topics = null',
    'occurred_from = null',
    `payloads = 'full'`,
    `occurred_from = '2020-01-01'`,
  ]) {
    const made = await house.deployment.keys.issue({ tenantId: house.mine.id, role: 'auditor', bounds });
    await house.site.attack(`update sworn.api_key set ${widened} where tenant_id = $1 and key_id = $2`, [
      house.mine.id,
      made.keyId,
    ]);
    expect(outcome(await ask(`${FACADE_PREFIX}/audit/integrity`, made.key)), widened).toEqual([
      401,
      'not_authenticated',
    ]);
  }
  expect(outcome(await ask(`${FACADE_PREFIX}/audit/integrity`, key))).toBe(200);
});

it('a key that writes has none, and a range ends after it begins', async () => {
  const issue = (role: 'ingest' | 'reader', bounds: Partial<KeyBounds>) =>
    house.deployment.keys.issue({ tenantId: house.mine.id, role, bounds: { ...UNBOUNDED, ...bounds } });
  await expect(issue('ingest', { topics: ['AUDIT'] })).rejects.toThrow(RangeError);
  await expect(issue('reader', { topics: [] })).rejects.toThrow(RangeError);
  await expect(issue('reader', { topics: ['AUDIT', 'AUDIT'] })).rejects.toThrow(RangeError);
  await expect(
    issue('reader', { occurredFrom: HOUR.occurredBefore, occurredBefore: HOUR.occurredFrom }),
  ).rejects.toThrow(RangeError);
});
