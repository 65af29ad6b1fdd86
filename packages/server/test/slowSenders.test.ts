import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { RunningApp } from '../src/app.js';
import { framed, GrpcClient, rawCall } from './grpcCalls.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

let site: RunningSite;
let app: RunningApp;
let client: GrpcClient;
let key: string;
let other: string;

beforeAll(async () => {
  site = await newRunningSite();
  const deployment = await site.open();
  app = await site.start();
  client = new GrpcClient(app.addresses.otlpGrpc);
  const keyOf = async (name: string): Promise<string> =>
    (await deployment.keys.issue({ tenantId: await deployment.tenants.create({ name }), role: 'ingest' })).key;
  [key, other] = [await keyOf('attacker'), await keyOf('bystander')];
});
afterAll(async () => {
  client.close();
  await site.drop();
});

/** Another tenant is served by either listener, as if nothing were. */
async function othersAreServed(): Promise<void> {
  const headers = { 'x-api-key': other, 'content-type': 'application/json' };
  const sent = await fetch(`${app.addresses.otlpHttp}/v1/traces`, { method: 'POST', headers, body: '{}' });
  expect(sent.status).toBe(200);
  expect((await client.call({ metadata: { 'x-api-key': other } })).status).toBe('OK');
}

describe('a sender whose body does not end', () => {
  it('is let go of: over HTTP however often a byte comes, over gRPC when no more comes', async () => {
    const { hostname, port } = new URL(app.addresses.otlpHttp);
    const overHttp = new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`,
        );
      });
      const dripping = setInterval(() => socket.write(' '), 500);
      socket.on('data', (piece) => (answer += piece.toString('latin1'))).on('error', () => undefined);
      socket.on('close', () => (clearInterval(dripping), resolve(answer)));
    });
    const session = connectHttp2(app.addresses.otlpGrpc);
    const overGrpc = rawCall(session, {
      headers: { 'x-api-key': key },
      body: framed(Buffer.alloc(8), { length: 100_000 }),
      ends: false,
    });
    await othersAreServed();
    expect(await overHttp).toMatch(/^(HTTP\/1.1 408 [^]*)?$/);
    // CANCEL.
    expect((await overGrpc).code).toBe(8);
    session.destroy();
    await othersAreServed();
  });
});

/** An AnyValue in an array in an AnyValue and so on, in the attribute of a span: each level is a tag and a length around the one before. */
function nested(depth: number): Buffer {
  const around = (tag: number, bytes: Buffer): Buffer => {
    const length: number[] = [];
    let rest = bytes.length;
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    return Buffer.concat([Buffer.from([tag, ...length, rest]), bytes]);
  };
  let inner = Buffer.from([0x0a, 0x01, 0x61]);
  for (let n = 0; n < depth; n++) inner = Buffer.from(around(0x2a, around(0x0a, inner)));
  const attribute = around(0x4a, Buffer.concat([Buffer.from([0x0a, 0x01, 0x6b]), around(0x12, inner)]));
  return around(0x0a, around(0x12, around(0x12, attribute)));
}

describe('a bomb over gRPC', () => {
  test.each<[string, () => { body: Buffer; gzip: boolean }, readonly string[]]>([
    ['of gzip', () => ({ body: Buffer.alloc(256 << 20), gzip: true }), ['RESOURCE_EXHAUSTED']],
    [
      'larger than a message may be',
      () => ({ body: Buffer.alloc((64 << 20) + 1), gzip: false }),
      ['RESOURCE_EXHAUSTED'],
    ],
    ['ten thousand lists deep', () => ({ body: nested(10_000), gzip: false }), ['OK', 'INVALID_ARGUMENT']],
    [
      'whose lengths lie',
      () => ({ body: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 1]), gzip: false }),
      ['INVALID_ARGUMENT'],
    ],
    ['of groups that never end', () => ({ body: Buffer.alloc(100_000, 0x0b), gzip: false }), ['INVALID_ARGUMENT']],
  ])('%s is refused or taken, and nobody notices', async (_, bomb, statuses) => {
    const { status, message } = await client.call({ ...bomb(), metadata: { 'x-api-key': key } });
    expect(statuses, message).toContain(status);
    await othersAreServed();
  });
});
