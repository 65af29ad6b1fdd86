import { statfsSync } from 'node:fs';
import { type IssuedAccess, serverHome, type ServerHome, type ServerPlace, type ServerProcess } from '@sworn/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

let home: ServerHome;
let server: ServerProcess;
let place: ServerPlace;
let access: IssuedAccess;

beforeAll(async () => {
  home = serverHome();
  server = home.start();
  place = await server.ready;
  if (place.issued === null) throw new Error('the first start issues keys');
  access = place.issued;
});
afterAll(() => home.close());

async function restart(settings: Readonly<Record<string, string>>): Promise<void> {
  expect(await server.stop()).toBe(0);
  server = home.start({ ...settings, SWORN_TEST_TENANT: access.tenantId });
  place = await server.ready;
}

const send = (spanId: string): Promise<Response> =>
  fetch(`${place.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': access.ingestKey },
    body: `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"${spanId}","name":"chat"}]}]}]}`,
  });
const read = (): Promise<Response> =>
  fetch(`${place.http}/api/v1/logs/llm-runs`, { headers: { authorization: `Bearer ${access.readerKey}` } });
const probe = async (path: string): Promise<[number, string]> => {
  const answer = await fetch(`${place.http}${path}`);
  return [answer.status, await answer.text()];
};

test('with room on the disk records are taken', async () => {
  expect((await send('b7ad6b7169203331')).status).toBe(200);
  const [, metrics] = await probe('/metrics');
  const free = Number(/^sworn_database_disk_free_bytes (\S+)$/m.exec(metrics)?.[1]);
  const { blocks, bsize } = statfsSync('/tmp');
  expect(free > 0 && free <= blocks * bsize).toBe(true);
});

test('with only the reserve left they are put off, whoever reads is answered, and it is said', async () => {
  await restart({ SWORN_DISK_RESERVE_BYTES: String(2 ** 49) });
  const answer = await send('b7ad6b7169203332');
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await answer.text()).toContain('disk');
  expect((await read()).status).toBe(200);
  const [status, text] = await probe('/readyz');
  expect([status, text]).toEqual([503, expect.stringContaining('disk: nearly full')]);
  expect((await probe('/healthz'))[0]).toBe(200);
  expect(server.said.filter((line) => line.includes('the disk is nearly full'))).toHaveLength(1);
});

test('and with room again all goes on, what was acknowledged included', async () => {
  await restart({});
  expect((await send('b7ad6b7169203332')).status).toBe(200);
  expect((await probe('/readyz'))[0]).toBe(200);
  expect(await server.stop()).toBe(0);
});
