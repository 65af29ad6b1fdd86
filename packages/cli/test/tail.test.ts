import { type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSocket, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

let home: Home;
let server: Serving;
let dir: string;
let port: string;
beforeAll(async () => {
  home = makeHome();
  dir = mkdtempSync('/tmp/sworn-tail-');
  port = String(await freePort());
  server = await home.serve([], { SWORN_HTTP_PORT: port });
}, 120_000);
afterAll(async () => {
  await server.stop();
  home.remove();
  rmSync(dir, { recursive: true });
});

let keys: { readonly ingest: string; readonly auditor: string; readonly reader: string };
let cursor: string;
let n = 0;
beforeEach(async () => {
  const name = `acme${++n}`;
  await home.run(['tenant', 'create', name]);
  const issue = async (role: string): Promise<string> =>
    /swk_\S+/.exec((await home.run(['key', 'create', '--tenant', name, '--role', role])).out)?.[0] ?? '';
  keys = { ingest: await issue('ingest'), auditor: await issue('auditor'), reader: await issue('reader') };
  cursor = join(dir, `${name}.cursor`);
}, 60_000);

/** A free port, which the server takes again after it was stopped. */
async function freePort(): Promise<number> {
  const socket = createSocket().listen(0, '127.0.0.1');
  await new Promise((resolve) => socket.once('listening', resolve));
  const { port: free } = socket.address() as AddressInfo;
  await new Promise((resolve) => socket.close(resolve));
  return free;
}

/** Audit events that say their numbers, from `from` on. */
async function report(from: number, count: number): Promise<void> {
  const logRecords = Array.from({ length: count }, (_, i) => ({
    eventName: 'sworn.audit.note',
    timeUnixNano: '1764032000123456789',
    attributes: [{ key: 'sworn.audit.entity.id', value: { stringValue: `e-${from + i}` } }],
  }));
  const response = await fetch(`${server.otlpHttp}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': keys.ingest },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  expect(response.status).toBe(200);
}

const argsOf = (...more: string[]): string[] => ['tail', server.http, '--cursor-file', cursor, ...more];
const run = (key: string, ...more: string[]) => home.run(argsOf(...more), { SWORN_TAIL_TOKEN: key });

interface Line {
  readonly id: string;
  readonly entity_id: string | null;
  readonly log: string;
}
/** As an event of OCSF. */
interface Event {
  readonly class_uid: number;
  readonly metadata: { readonly uid: string; readonly version: string };
  readonly unmapped: { readonly sworn: Line };
}
const linesOf = (out: string): Line[] => out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
/** The record of a line, whatever it is written as. */
const recordOf = (line: Line | Event): Line => ('unmapped' in line ? line.unmapped.sworn : line);
const numbers = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `e-${from + i}`);

/** A tail that follows, and the lines it printed. */
function following(...more: string[]): { readonly child: ChildProcess; readonly lines: (Line | Event)[] } {
  const child = home.start(argsOf('--log', 'audit', '--follow', '--every', '1', ...more), {
    SWORN_TAIL_TOKEN: keys.auditor,
  });
  const lines: (Line | Event)[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(JSON.parse(line) as Line | Event));
  return { child, lines };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('close', resolve));
}

describe('sworn tail', () => {
  test('prints what is there, oldest first, and the next time what came since', async () => {
    await report(0, 250);
    const first = await run(keys.auditor, '--log', 'audit');
    expect([first.code, first.err]).toEqual([0, '']);
    expect(linesOf(first.out).map((line) => line.entity_id)).toEqual(numbers(0, 250));
    expect((await run(keys.auditor, '--log', 'audit')).out).toBe('');
    await report(250, 3);
    expect(linesOf((await run(keys.auditor, '--log', 'audit')).out).map((line) => line.entity_id)).toEqual(
      numbers(250, 3),
    );
  }, 60_000);

  test('prints each log to a key that may read it, and of the others says why not', async () => {
    await report(0, 1);
    for (const [log, key] of [
      ['access', keys.auditor],
      ['control', keys.auditor],
      ['system', keys.reader],
      ['llm-runs', keys.reader],
    ] as const) {
      cursor = join(dir, `${n}-${log}.cursor`);
      const said = await run(key, '--log', log);
      expect([log, said.code, said.err]).toEqual([log, 0, '']);
      expect(existsSync(cursor)).toBe(true);
    }
    cursor = join(dir, `${n}-refused.cursor`);
    const refused = await run(keys.reader, '--log', 'access');
    expect([refused.code, refused.out]).toEqual([1, '']);
    expect(refused.err).toContain('403 permission_denied');
    expect(existsSync(cursor)).toBe(false);
  }, 60_000);

  test.each(['ndjson', 'ocsf'])(
    'leaves nothing out as %s, whenever it is killed: at most its last page comes again',
    async (format) => {
      await report(0, 400);
      const seen: string[] = [];
      for (let killed = 0; killed < 4; killed++) {
        const { child, lines } = following('--format', format);
        const sending = report(400 + killed * 150, 150);
        await eventually(async () => (lines.length >= 1 + killed * 40 ? true : null));
        child.kill('SIGKILL');
        await Promise.all([ended(child), sending]);
        seen.push(...lines.map((line) => recordOf(line).entity_id ?? ''));
      }
      const rest = await run(keys.auditor, '--log', 'audit');
      expect(rest.code).toBe(0);
      seen.push(...linesOf(rest.out).map((line) => line.entity_id ?? ''));
      expect([...new Set(seen)].toSorted()).toEqual(numbers(0, 1_000).toSorted());
      expect(seen.length).toBeLessThanOrEqual(1_000 + 4 * 100);
    },
    120_000,
  );

  test('prints events of OCSF and nothing else, and goes on where lines of the other format ended', async () => {
    await report(0, 150);
    const events = (await run(keys.auditor, '--log', 'audit', '--format', 'ocsf')).out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Event);
    expect(events.map((event) => recordOf(event).entity_id)).toEqual(numbers(0, 150));
    expect(new Set(events.map(({ metadata }) => metadata.version))).toEqual(new Set(['1.7.0']));
    expect(events.map(({ metadata }) => metadata.uid)).toEqual(events.map((event) => recordOf(event).id));
    await report(150, 2);
    const native = await run(keys.auditor, '--log', 'audit');
    expect(linesOf(native.out).map((line) => line.entity_id)).toEqual(numbers(150, 2));
    for (const log of ['system', 'llm-runs']) {
      const refused = await run(keys.reader, '--log', log, '--format', 'ocsf');
      expect([refused.code, refused.out]).toEqual([2, '']);
      expect(refused.err).toContain('is of audit, access and control');
    }
  }, 60_000);

  test('goes on by itself when the server is back', async () => {
    await report(0, 2);
    const { child, lines } = following();
    await eventually(async () => (lines.length === 2 ? true : null));
    await server.stop();
    server = await home.serve([], { SWORN_HTTP_PORT: port });
    await report(2, 2);
    await eventually(async () => (lines.length === 4 ? true : null));
    child.kill('SIGTERM');
    await ended(child);
    expect(lines.map((line) => recordOf(line).entity_id)).toEqual(numbers(0, 4));
  }, 120_000);

  test('keeps no cursor of lines that nobody read', async () => {
    await report(0, 1);
    const child = home.start(argsOf('--log', 'audit'), { SWORN_TAIL_TOKEN: keys.auditor });
    child.stdout!.destroy();
    await ended(child);
    expect([child.exitCode, existsSync(cursor)]).toEqual([2, false]);
    expect(linesOf((await run(keys.auditor, '--log', 'audit')).out)).toHaveLength(1);
  }, 60_000);

  test('refuses a cursor that is of another tail, or none', async () => {
    expect((await run(keys.auditor, '--log', 'audit')).code).toBe(0);
    const other = await run(keys.auditor, '--log', 'control');
    expect([other.code, other.out]).toEqual([2, '']);
    expect(other.err).toContain('each tail needs a file of its own');
    const held = readFileSync(cursor, 'utf8');
    writeFileSync(cursor, held.slice(0, 20));
    expect((await run(keys.auditor, '--log', 'audit')).err).toContain('is not a cursor file');
    // A forged cursor is the server's to refuse.
    const forged = { ...(JSON.parse(held) as object), cursor: 'A'.repeat(40) };
    writeFileSync(cursor, JSON.stringify(forged));
    const said = await run(keys.auditor, '--log', 'audit');
    expect([said.code, said.err]).toEqual([1, expect.stringContaining('is not a cursor of this query')]);
  }, 60_000);

  test('waits as long as a busy server asks, and gives up where it does not follow', async () => {
    let asked = 0;
    const page = { items: [{ id: 'x' }], has_more: false, next_cursor: 'A'.repeat(20) };
    const busy = createServer((_, response) => {
      asked += 1;
      if (asked < 3) response.writeHead(asked === 1 ? 503 : 429, { 'retry-after': '1' }).end('{"code":"unavailable"}');
      else response.end(JSON.stringify(page));
    });
    busy.listen(0, '127.0.0.1');
    await new Promise((resolve) => busy.once('listening', resolve));
    const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`;
    const said = await home.run(['tail', url, '--log', 'audit', '--cursor-file', cursor], { SWORN_TAIL_TOKEN: 'k' });
    expect([said.code, said.out, asked]).toEqual([0, '{"id":"x"}\n', 3]);
    expect(said.err).toContain('503 unavailable');
    await new Promise((resolve) => busy.close(resolve));
    const plain = await home.run(['tail', 'http://sworn.example', '--log', 'audit', '--cursor-file', cursor], {
      SWORN_TAIL_TOKEN: 'k',
    });
    expect([plain.code, plain.err]).toEqual([2, expect.stringContaining('over https')]);
  }, 60_000);
});
