import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { RunningApp } from '../src/app.js';
import { framed, GrpcClient, TRACES } from './grpcCalls.js';
import {
  CODE,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  INITIAL_WINDOW_SIZE,
  rawConnection,
  type RawConnection,
  setting,
} from './http2Frames.js';
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

async function othersAreServed(): Promise<void> {
  expect(await client.call({ metadata: { 'x-api-key': other } })).toMatchObject({ status: 'OK' });
}

const connected = (how?: { readonly hangsUp: boolean }): Promise<RawConnection> =>
  rawConnection(app.addresses.otlpGrpc, how);

function headersOf(apiKey: string): Buffer {
  return headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': TRACES,
    ':authority': 'localhost',
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    'x-api-key': apiKey,
  });
}

const begun = (stream: number, apiKey: string): Buffer =>
  frame(FRAME.headers, { stream, flags: FLAG.endHeaders, payload: headersOf(apiKey) });
/** A whole call without a span. */
const call = (stream: number, apiKey: string): Buffer =>
  Buffer.concat([
    begun(stream, apiKey),
    frame(FRAME.data, { stream, flags: FLAG.endStream, payload: framed(Buffer.alloc(0)) }),
  ]);
const PING = frame(FRAME.ping, { payload: Buffer.alloc(8, 1) });

/** Writes the same again and again until the server closes the connection. */
async function untilClosed({ socket, closed }: RawConnection, everyMs: number, next: () => Buffer): Promise<void> {
  const writing = setInterval(() => socket.write(next()), everyMs);
  await closed;
  clearInterval(writing);
}

// Each waits for a bound of time, so all of them wait at once.
describe.concurrent('a connection is let go of', () => {
  it('on which a stranger only pings', async ({ expect }) => {
    const connection = await connected({ hangsUp: false });
    await untilClosed(connection, 500, () => PING);
    expect(connection.goawayCode()).toBe(0);
    expect(connection.got.filter(({ type }) => type === FRAME.ping).length).toBeGreaterThan(0);
  });

  it('on which a stranger goes on trying keys', async ({ expect }) => {
    const connection = await connected({ hangsUp: false });
    let stream = -1;
    await untilClosed(connection, 1_000, () => call((stream += 2), 'swk_nobody'));
    expect(connection.got.filter(({ type }) => type === FRAME.headers).length).toBeGreaterThan(0);
  });

  it('on which headers have no end', async () => {
    const connection = await connected();
    connection.socket.write(frame(FRAME.headers, { stream: 1, payload: headersOf(key) }));
    await connection.closed;
  });

  it('on which somebody known only pings', async ({ expect }) => {
    const connection = await connected({ hangsUp: false });
    connection.socket.write(call(1, key));
    await untilClosed(connection, 1_000, () => PING);
    expect(connection.goawayCode()).toBe(0);
    expect(connection.got.filter(({ type }) => type === FRAME.headers)).toHaveLength(2);
  });

  it('whose answers nobody takes, however often it pings', async ({ expect }) => {
    const connection = await connected({ hangsUp: false });
    connection.socket.write(Buffer.concat([setting(INITIAL_WINDOW_SIZE, 0), call(1, key)]));
    await untilClosed(connection, 1_000, () => PING);
    expect(connection.got.some(({ type }) => type === FRAME.data)).toBe(false);
  });
});

describe('a flood on one connection', () => {
  test.each<[string, () => Buffer]>([
    ['of pings', () => PING],
    ['of settings', () => setting(INITIAL_WINDOW_SIZE, 65_535)],
  ])('%s ends it, and nobody else notices', async (_, one) => {
    const connection = await connected();
    connection.socket.write(call(1, key));
    connection.socket.write(Buffer.concat(Array.from({ length: 50 }, one)));
    await expect.poll(() => connection.got.length).toBeGreaterThan(50);
    expect(connection.goawayCode()).toBeNull();
    // A call begins the count anew.
    connection.socket.write(Buffer.concat([call(3, key), ...Array.from({ length: 90 }, one)]));
    await expect.poll(() => connection.got.length).toBeGreaterThan(140);
    expect(connection.goawayCode()).toBeNull();
    connection.socket.write(Buffer.concat(Array.from({ length: 200 }, one)));
    await connection.closed;
    expect(connection.goawayCode()).toBe(CODE.enhanceYourCalm);
    await othersAreServed();
  });

  it('of calls that are taken back at once ends it', async () => {
    const connection = await connected();
    const cancelled = Buffer.alloc(4);
    cancelled.writeUInt32BE(CODE.cancel);
    for (let stream = 1; stream < 4_000; stream += 2) {
      connection.socket.write(Buffer.concat([begun(stream, key), frame(FRAME.reset, { stream, payload: cancelled })]));
    }
    await connection.closed;
    expect(connection.goawayCode()).toBe(CODE.enhanceYourCalm);
    await othersAreServed();
  });

  it('of more calls than it may have at a time has those refused, and is ended once it knows the bound', async () => {
    const connection = await connected();
    const refused = (): number =>
      connection.got.filter(
        ({ type, payload }) => type === FRAME.reset && payload.readUInt32BE() === CODE.refusedStream,
      ).length;
    let stream = 1;
    const begin = (calls: number): void => {
      for (let n = 0; n < calls; n++, stream += 2) connection.socket.write(begun(stream, key));
    };
    begin(138);
    await expect.poll(refused).toBe(10);
    await othersAreServed();
    const acknowledged = 1;
    connection.socket.write(frame(FRAME.settings, { flags: acknowledged }));
    begin(1);
    await connection.closed;
    await othersAreServed();
  });
});

describe('the connections of one address', () => {
  test.each([
    ['over HTTP', () => app.addresses.otlpHttp],
    ['over gRPC', () => app.addresses.otlpGrpc],
  ])('are a quarter of all there may be, %s', async (_, address) => {
    const { hostname, port } = new URL(address());
    const open = new Set<Socket>();
    const knock = async (from: string): Promise<Socket> => {
      const socket = connect({ host: hostname, port: Number(port), localAddress: from });
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
      await once(socket, 'connect');
      open.add(socket);
      return socket;
    };
    for (let n = 0; n < 512; n++) await knock('127.0.0.9');
    for (let n = 0; n < 5; n++) await once(await knock('127.0.0.9'), 'close');
    expect(open.size).toBe(512);
    await othersAreServed();
    const [first] = open;
    first?.destroy();
    await expect.poll(() => open.size).toBe(511);
    // Its going has to arrive first.
    await expect
      .poll(async () => {
        const socket = await knock('127.0.0.9');
        return Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, 300, 'stays'))]);
      })
      .toBe('stays');
    for (const socket of open) socket.destroy();
  });
});
