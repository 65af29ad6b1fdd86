import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FACADE_PREFIX } from '@sworn/contract';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTurns } from '../src/http/turns.js';
import { accessRecords, get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { newSpan, newTrace, otlp } from './facadeSpans.js';

/** Two of the pages below, and not three. */
const TENANT_BYTES = 20_000_000;

let house: House;
let [greedy, other] = ['', ''];
let [greedyKey, otherKey] = ['', ''];
/** A page of some eight million bytes: more than the buffers of a connection hold. */
let page = '';
const open: Socket[] = [];

beforeAll(async () => {
  house = await buildHouse({ unsentLimits: { processBytes: 10 * TENANT_BYTES, tenantBytes: TENANT_BYTES } });
  const tenantWithKey = async (name: string) => {
    const tenantId = await house.tenants.create({ name });
    return [tenantId, (await house.keys.issue({ tenantId, role: 'reader' })).key] as const;
  };
  [greedy, greedyKey] = await tenantWithKey('greedy');
  [other, otherKey] = await tenantWithKey('other');
  const traceId = newTrace();
  const root = newSpan();
  const long = () => randomBytes(30_000).toString('hex').replace(/\d/g, ' ');
  const step = () => ({
    traceId,
    spanId: newSpan(),
    parentSpanId: root,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.input.messages': JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: long() }] }]),
    },
  });
  await house.ingest(greedy, otlp([{ traceId, spanId: root }, ...Array.from({ length: 130 }, step)]));
  await house.seal(greedy);
  page = `${FACADE_PREFIX}/llm-runs/${traceId}/trace?fields=io&limit=5000`;
}, 120_000);
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});
afterAll(() => house.close());

/** Asks for the page, and takes nothing of the answer after its first bytes. */
function leaveUntaken(accept: string): Promise<Socket> {
  const { port } = new URL(house.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    open.push(socket);
    socket.once('error', reject);
    socket.once('data', () => {
      socket.pause();
      resolve(socket);
    });
    socket.write(
      `GET ${page} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${greedyKey}\r\naccept: ${accept}\r\n\r\n`,
    );
  });
}

describe('answers that nobody takes', () => {
  it.each(['application/json', 'application/x-ndjson'])(
    'as %s take no more memory than their tenant’s share',
    async (accept) => {
      for (const _ of [1, 2]) await leaveUntaken(accept);
      const third = await get(house, page, greedyKey, { accept });
      expect([third.status, third.json.code, third.headers.get('retry-after')]).toEqual([
        503,
        'unavailable',
        expect.any(String),
      ]);
      expect((await accessRecords(house, greedy)).at(-1)).toMatchObject({ decision: 'DENY', status: 503 });
      expect((await get(house, `${FACADE_PREFIX}/llm-runs`, otherKey)).status).toBe(200);
      for (const socket of open.splice(0)) socket.destroy();
      await vi.waitFor(async () => expect((await get(house, page, greedyKey, { accept })).status).toBe(200), 10_000);
    },
  );
});

describe('a tenant that asks for much at once', () => {
  it('has four reads looked for at a time, and no other waits for the rest', async () => {
    const turns = createTurns();
    let [begun, end] = [0, (): void => undefined];
    const over = new Promise<void>((resolve) => (end = resolve));
    const all = Array.from({ length: 20 }, () =>
      turns(greedy, () => {
        begun += 1;
        return over;
      }),
    );
    expect(await turns(other, () => Promise.resolve('answered'))).toBe('answered');
    expect(begun).toBe(4);
    end();
    await Promise.all(all);
    expect(begun).toBe(20);
  });
});
