import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearer, buildStage, LOGS, newId, type Reply, spanRequest, type Stage } from './stage.js';

/** Of the attacked server. The proxy is this machine, so that an attacker has an address, and tries to have another. */
const [ADDRESS, CREDENTIAL] = [300, 400];
const TOKEN = newId(16);

let stage: Stage;
beforeAll(async () => {
  stage = await buildStage(() => ({
    SWORN_TRUSTED_PROXIES: '127.0.0.1',
    SWORN_RATE_ADDRESS: String(ADDRESS),
    SWORN_RATE_CREDENTIAL: String(CREDENTIAL),
    SWORN_METRICS_TOKEN: TOKEN,
  }));
});
afterAll(() => stage.close());

const from = (address: string): readonly string[] => ['x-forwarded-for', address];
const badKey = (): string => `swk_${stage.attacker.id.replaceAll('-', '')}_${newId(32)}`;
const ofStatus = (replies: readonly Reply[], status: number): Reply[] => replies.filter((one) => one.status === status);
const accessRecords = async (): Promise<number> =>
  (await stage.sql(`select count(*)::int as n from sworn.leaf where log = 'access'`))[0]?.['n'] as number;

/** Sends all, fifty at a time. */
async function flood(many: number, send: (n: number) => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (let n = 0; n < many; n += 50)
    replies.push(...(await Promise.all(Array.from({ length: 50 }, (_, i) => send(n + i)))));
  return replies;
}

function expectHeldOff(replies: readonly Reply[]): void {
  expect(ofStatus(replies, 429).length).toBeGreaterThan(0);
  for (const { headers } of ofStatus(replies, 429)) {
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(headers['ratelimit']).toMatch(/r=0;t=\d+$/);
  }
}

/** Somebody with a good key, at another address, on either port. */
async function othersGetThrough(): Promise<void> {
  const { bystander } = stage;
  const read = await stage.ask({
    target: `${LOGS}/llm-runs`,
    headers: [...bearer(bystander.reader), ...from('203.0.113.1')],
  });
  const sent = await stage.send('traces', spanRequest(newId(16), {}), {
    key: bystander.ingest,
    headers: { 'x-forwarded-for': '203.0.113.1' },
  });
  expect([read.status, sent.status]).toEqual([200, 200]);
}

describe('a flood', () => {
  test('of bad keys from one address is held off without a look at them, whatever address it claims, and leaves few records', async () => {
    const before = await accessRecords();
    const replies = await flood(600, (n) =>
      stage.ask({
        target: `${LOGS}/llm-runs`,
        // A proxy writes behind what it was sent.
        headers: [...bearer(badKey()), ...from(`192.0.2.${n % 256}, 127.0.0.1, 198.51.100.7`)],
      }),
    );
    expect(replies.filter(({ status }) => ![401, 429, 503].includes(status))).toEqual([]);
    expectHeldOff(replies);
    expect(ofStatus(replies, 401).length).toBeLessThan(ADDRESS);
    await othersGetThrough();
    expect((await accessRecords()) - before).toBeLessThan(40);
    await stage.unharmed(ofStatus(replies, 429).slice(0, 1));
  });

  test('of bad keys from one /64 is one address, on the port of OTLP too', async () => {
    const replies = await flood(600, (n) =>
      stage.send('traces', spanRequest(newId(16), {}), {
        key: badKey(),
        headers: { 'x-forwarded-for': `2001:db8:bad:1::${n.toString(16)}` },
      }),
    );
    expect(replies.filter(({ status }) => ![401, 429, 503].includes(status))).toEqual([]);
    for (const { headers, text } of ofStatus(replies, 429)) {
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
      expect(JSON.parse(text)).toMatchObject({ code: 8, details: [{ retryDelay: `${headers['retry-after']}s` }] });
    }
    expect(ofStatus(replies, 429).length).toBeGreaterThan(0);
    await othersGetThrough();
    await stage.unharmed();
  });

  test('of reads with one good key from many addresses is answered to its share, and each refusal is on record in its tenant', async () => {
    const replies = await flood(CREDENTIAL * 2, (n) =>
      stage.ask({
        target: `${LOGS}/llm-runs?limit=100`,
        headers: [...bearer(stage.attacker.reader), ...from(`198.18.${n % 7}.1`)],
      }),
    );
    expect(replies.filter(({ status }) => ![200, 429, 503].includes(status))).toEqual([]);
    expectHeldOff(replies);
    await othersGetThrough();
    const limited = (await stage.leaves(stage.attacker.id, 'access')).filter(
      (leaf) => leaf['reason_code'] === 'rate_limited',
    );
    expect(limited.length).toBeGreaterThan(0);
    expect(limited.filter(({ kind }) => kind === 'READ').length).toBeLessThanOrEqual(2 * 10 * 7);
    await stage.unharmed(ofStatus(replies, 429).slice(0, 1));
  });

  test('is counted where those who run it look', async () => {
    const { text } = await stage.ask({ target: '/metrics', headers: bearer(TOKEN) });
    for (const policy of ['address', 'credential'])
      expect(
        Number(new RegExp(`^sworn_rate_limited_total\\{policy="${policy}"\\} (\\d+)$`, 'm').exec(text)?.[1]),
      ).toBeGreaterThan(0);
  });

  test('of guesses at the token of metrics is held off like any other', async () => {
    const replies = await flood(ADDRESS + 50, () =>
      stage.ask({ target: '/metrics', headers: [...bearer(newId(16)), ...from('198.51.100.99')] }),
    );
    expect(replies.filter(({ status }) => ![401, 429].includes(status))).toEqual([]);
    expectHeldOff(replies);
    await stage.unharmed(ofStatus(replies, 429).slice(0, 1));
  });
});
