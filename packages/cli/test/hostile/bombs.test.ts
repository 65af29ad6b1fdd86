import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { around, type Bomb, BOMBS, itemBytes, itemRequest, SLOW_TEXTS } from './bombs.js';
import { exportByGrpc } from './grpc.js';
import { buildStage, type Signal, type Stage } from './stage.js';

let stage: Stage;
beforeAll(async () => {
  stage = await buildStage();
});
afterAll(() => stage.close());

const SIGNALS: readonly Signal[] = ['traces', 'logs', 'metrics'];
/** What gRPC says where HTTP says this (OTLP.md 1.3). */
const CODES: Readonly<Record<number, number>> = { 200: 0, 400: 3, 413: 8 };

const byGrpc = (signal: Signal, message: Uint8Array, isGzip = false) =>
  exportByGrpc(stage.server.otlpGrpc, { signal, message, isGzip, key: stage.attacker.ingest });
const ofEach = <T>(things: readonly T[]): [Signal, T][] =>
  SIGNALS.flatMap((signal) => things.map((thing): [Signal, T] => [signal, thing]));
const named = (is: (bomb: Bomb) => boolean): [Signal, string][] =>
  ofEach(Object.entries(BOMBS).flatMap(([name, bomb]) => (is(bomb) ? [name] : [])));
const bombOf = (name: string): Bomb => BOMBS[name] as Bomb;

describe('a bomb', () => {
  test.each(named(() => true))('in %s, %s, is refused or taken over HTTP, and nobody notices', async (signal, name) => {
    const { body, encoding, isGzip, statuses } = bombOf(name);
    const headers = {
      ...(encoding === 'protobuf' && { 'content-type': 'application/x-protobuf' }),
      ...(isGzip && { 'content-encoding': 'gzip' }),
    };
    const { status, text } = await stage.send(signal, body(signal), { headers });
    expect(statuses, text).toContain(status);
    await stage.unharmed();
  });

  test.each(named(({ encoding }) => encoding === 'protobuf'))(
    'in %s, %s, is refused or taken over gRPC, and nobody notices',
    async (signal, name) => {
      const { body, isGzip, statuses } = bombOf(name);
      const { status, message } = await byGrpc(signal, body(signal), isGzip);
      expect(
        statuses.map((one) => CODES[one]),
        message,
      ).toContain(status);
      await stage.unharmed();
    },
  );

  test.each(SIGNALS)('in %s, larger than a message may be, is refused over gRPC', async (signal) => {
    expect((await byGrpc(signal, Buffer.alloc((64 << 20) + 1))).status).toBe(CODES[413]);
    await stage.unharmed();
  });
});

describe('a text that is made to be slow', () => {
  test.each(ofEach(SLOW_TEXTS))(
    'in %s is taken like any other, over HTTP and over gRPC: %.20s…',
    async (signal, text) => {
      const overHttp = await stage.send(signal, itemRequest(signal, { stringValue: text }));
      expect([overHttp.status, overHttp.text]).toEqual([200, expect.not.stringContaining('rejected')]);
      expect(await byGrpc(signal, itemBytes(signal, around(0x0a, Buffer.from(text))))).toEqual({
        status: 0,
        message: '',
      });
      await stage.unharmed();
    },
  );
});
