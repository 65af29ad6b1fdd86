import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../swornProcess.js';
import { around, itemBytes, itemRequest } from './bombs.js';
import { exportByGrpc } from './grpc.js';
import {
  bearer,
  buildStage,
  lineRequest,
  LOGS,
  newId,
  type Reply,
  type Signal,
  spanRequest,
  type Stage,
} from './stage.js';

const BYTES_A_DAY = 100_000;
const OPEN_RUNS = 5;
/** The stage makes three for each tenant. */
const KEYS = 4;
const SIGNALS: readonly Signal[] = ['traces', 'logs', 'metrics'];

let stage: Stage;
beforeAll(async () => {
  stage = await buildStage();
});
afterAll(() => stage.close());

const quota = (...args: string[]) => stage.home.run(['tenant', 'quota', '--tenant', 'attacker', ...args, '--json']);
const quotas = async () => JSON.parse((await quota()).out) as Record<string, { quota: number | null; used: number }>;
/** How many records the attacker's tenant has of what producers send. */
const records = async (): Promise<number> => {
  const rows = await stage.sql(
    `select count(*)::int as n from sworn.leaf where tenant_id = $1 and log in ('llm-runs', 'system', 'audit')`,
    [stage.attacker.id],
  );
  return Number(rows[0]?.['n']);
};
const runs = (many: number): object => ({
  resourceSpans: Array.from(
    { length: many },
    () => (spanRequest(newId(16), {}) as { resourceSpans: unknown[] }).resourceSpans[0],
  ),
});
/** Of no use to whoever compresses. */
const noise = (bytes: number): string => randomBytes(bytes / 2).toString('hex');

/** Somebody else sends on, whatever one tenant used up. */
async function othersSend(): Promise<void> {
  const { ingest: key } = stage.bystander;
  expect((await stage.send('logs', lineRequest('a line', {}), { key })).status).toBe(200);
  const message = itemBytes('metrics', around(0x0a, Buffer.from('x')));
  expect((await exportByGrpc(stage.server.otlpGrpc, { signal: 'metrics', message, key })).status).toBe(0);
}

/** Refused whole, and told when to come again. */
function expectPutOff({ status, headers, text }: Reply, why: string): void {
  expect([status, text]).toEqual([429, expect.stringContaining(why)]);
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  expect(JSON.parse(text)).toMatchObject({ code: 8, details: [{ retryDelay: `${headers['retry-after']}s` }] });
}

describe('a tenant that has a quota', () => {
  test('of open runs has no more of them, however many it sends at once, and its log records are taken', async () => {
    expect((await quota('--open-runs', String(OPEN_RUNS))).code).toBe(0);
    const refused = await eventually(async () => {
      const reply = await stage.send('traces', runs(OPEN_RUNS + 1));
      return reply.status === 429 ? reply : null;
    });
    expectPutOff(refused, 'runs open');
    const before = await records();
    const flood = await Promise.all(Array.from({ length: 20 }, () => stage.send('traces', runs(OPEN_RUNS + 1))));
    for (const reply of flood) expectPutOff(reply, 'runs open');
    expect(await records()).toBe(before);
    expect((await stage.send('logs', lineRequest('a line', {}))).status).toBe(200);
    await othersSend();
    await stage.unharmed();
    await quota('--open-runs', 'none');
  });

  test('of keys gets none beyond it', async () => {
    expect((await quota('--keys', String(KEYS))).code).toBe(0);
    const create = () => stage.home.run(['key', 'create', '--tenant', 'attacker', '--role', 'reader']);
    expect((await create()).code).toBe(0);
    const { code, err } = await create();
    expect([code, err]).toEqual([2, expect.stringContaining(`may have ${KEYS}`)]);
    expect((await quotas())['keys']).toEqual({ quota: KEYS, used: KEYS });
    await stage.unharmed();
  });

  test('of bytes sends no more that day, by no signal, no door and no coding', async () => {
    // A change counts within seconds: until then a line is sent that is next to nothing, so that nothing of the day is used up by waiting.
    const line = () => stage.send('logs', lineRequest('a line', {}));
    expect((await quota('--bytes-a-day', '1')).code).toBe(0);
    await eventually(async () => ((await line()).status === 429 ? true : null));
    expect((await quota('--bytes-a-day', String(BYTES_A_DAY))).code).toBe(0);
    await eventually(async () => ((await line()).status === 200 ? true : null));
    // Smaller as sent than what is allowed, and larger inflated.
    const bomb = gzipSync(JSON.stringify(itemRequest('logs', { stringValue: 'a'.repeat(BYTES_A_DAY) })));
    expectPutOff(await stage.send('logs', bomb, { headers: { 'content-encoding': 'gzip' } }), 'bytes a day');
    const before = await records();
    for (const signal of SIGNALS) {
      const text = noise(BYTES_A_DAY);
      expectPutOff(await stage.send(signal, itemRequest(signal, { stringValue: text })), 'bytes a day');
      const message = itemBytes(signal, around(0x0a, Buffer.from(text)));
      const overGrpc = await exportByGrpc(stage.server.otlpGrpc, { signal, message, key: stage.attacker.ingest });
      expect(overGrpc).toEqual({ status: 8, message: expect.stringContaining('bytes a day') });
    }
    expect(await records()).toBe(before);
    // Many at once, each of which there would be room for, are not more than there is room for.
    const many = await Promise.all(
      Array.from({ length: 30 }, () => stage.send('logs', itemRequest('logs', { stringValue: noise(20_000) }))),
    );
    const taken = many.filter(({ status }) => status === 200).length;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(BYTES_A_DAY / 20_000);
    for (const reply of many.filter(({ status }) => status !== 200)) expectPutOff(reply, 'bytes a day');
    expect((await quotas())['bytes_a_day']?.used).toBeLessThanOrEqual(BYTES_A_DAY);
    await othersSend();
    await stage.unharmed();
  });

  test('does not get rid of it by what it sends, and reads on, on record', async () => {
    for (const name of ['QUOTA_SET', 'sworn.tenant.quota_set', 'sworn.audit.quota_set'])
      await stage.send(
        'logs',
        lineRequest(name, { bytes_a_day: 'none', open_runs: 'none', tenant_id: stage.attacker.id }),
      );
    const large = itemRequest('logs', { stringValue: noise(BYTES_A_DAY) });
    expectPutOff(await stage.send('logs', large), 'bytes a day');
    const changes = (await stage.leaves(stage.attacker.id, 'control')).filter(({ kind }) => kind === 'QUOTA_SET');
    expect(changes.map((leaf) => [leaf.by, leaf['bytes_a_day']])).toEqual([
      ['sworn', undefined],
      ['sworn', undefined],
      ['sworn', undefined],
      ['sworn', 1],
      ['sworn', BYTES_A_DAY],
    ]);
    const { auditor } = stage.attacker;
    const reply = await stage.ask({ target: `${LOGS}/audit?event_type=QUOTA_SET`, headers: bearer(auditor) });
    expect([reply.status, (JSON.parse(reply.text) as { items: unknown[] }).items.length]).toEqual([200, 5]);
    await stage.unharmed([reply]);
  });
});
