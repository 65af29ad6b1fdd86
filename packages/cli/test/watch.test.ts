import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { logKeyPair, madeUpLeaves, type TlogServer, tlogServer } from '@sworn/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommandLine } from '../src/program.js';
import { terminalOn } from '../src/terminal.js';
import { eventually, makeHome } from './swornProcess.js';

const ORIGIN = 'sworn-0123456789abcdef/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/llm-runs';
const key = logKeyPair(ORIGIN);
const A = madeUpLeaves(700);

let log: TlogServer;
let dir: string;
beforeEach(async () => {
  log = await tlogServer();
  dir = mkdtempSync('/tmp/sworn-watch-');
});
afterEach(async () => {
  await log.close();
  rmSync(dir, { recursive: true });
});

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `sworn watch` in this process; nothing in it may touch a deployment. */
async function watch(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const no = (): never => {
    throw new TypeError('a watcher has no deployment');
  };
  const of = { readConfig: no, connect: no, startApp: no, migrate: no, fsck: no };
  const code = await runCommandLine(['watch', ...args], { terminal: terminalOn(stdout, stderr), env, ...of });
  stdout.end();
  stderr.end();
  return { code, out: await text(stdout), err: await text(stderr) };
}

const once = (...more: string[]): Promise<Said> =>
  watch([log.url, '--key', key.vkey, '--state', dir, '--once', ...more]);

/** Looks at `size` leaves of `leaves`, as the same key signs them. */
function lookAt(leaves: readonly Uint8Array[], size = leaves.length, ...more: string[]): Promise<Said> {
  log.show(key.checkpoint(leaves, size), leaves.slice(0, size));
  return once(...more);
}

/** The two notes of the only finding that was kept. */
function kept(): { readonly remembered: string | null; readonly seen: string } {
  const [of = ''] = readdirSync(dir);
  const [finding = '', ...others] = readdirSync(join(dir, of, 'found'));
  expect(others).toEqual([]);
  const file = (name: string): string => join(dir, of, 'found', finding, name);
  const remembered = existsSync(file('remembered')) ? readFileSync(file('remembered'), 'utf8') : null;
  return { remembered, seen: readFileSync(file('seen'), 'utf8') };
}

describe('a log that only grows', () => {
  test('is remembered, and each larger checkpoint is proven to continue the one before', async () => {
    expect(await lookAt(A, 0)).toMatchObject({
      code: 0,
      out: expect.stringContaining('0 leaves; remembered, there was nothing'),
    });
    let before = 0;
    for (const size of [1, 2, 3, 255, 256, 257, 300, 511, 512, 700]) {
      const said = await lookAt(A, size);
      expect([size, said.code, said.err]).toEqual([size, 0, '']);
      expect(said.out).toBe(`${ORIGIN}: ${size} leaves, proven to continue the ${before} before\n`);
      before = size;
    }
    expect((await lookAt(A)).out).toBe(`${ORIGIN}: 700 leaves, as before\n`);
  });

  test('is proven at every pair of sizes around the edges of tiles', async () => {
    for (const from of [1, 5, 128, 255, 256, 257, 512]) {
      for (const to of [258, 513, 600].filter((size) => size > from)) {
        rmSync(dir, { recursive: true });
        expect((await lookAt(A, from)).code).toBe(0);
        expect([from, to, (await lookAt(A, to)).code]).toEqual([from, to, 0]);
      }
    }
  });

  test('is proven from full tiles where the partial ones are gone', async () => {
    await lookAt(A, 100);
    log.show(key.checkpoint(A, 200), A);
    log.answer('tile/0/000.p/200', (response) => response.writeHead(404).end());
    expect((await once()).code).toBe(0);
    expect(log.asked.map(({ path }) => path)).toContain('tile/0/000');
  });

  test('is one JSON object a line for machines', async () => {
    await lookAt(A, 3);
    const { out } = await lookAt(A, 4, '--json');
    expect(out.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject({ origin: ORIGIN, kind: 'good', size: 4, before: 3 });
  });
});

describe('a fork made with the real key', () => {
  test.each([
    ['of the same size', 300, 300, 0],
    ['of the same size that differs in its last leaf', 300, 300, 299],
    ['that is larger', 300, 600, 0],
    ['that is larger and differs in the last leaf that was remembered', 300, 600, 299],
    ['after a whole tile', 256, 600, 255],
    ['of a tree of one leaf', 1, 2, 0],
  ])('%s is found, both notes are kept, and nothing is forgotten', async (_, from, to, forkedAt) => {
    const B = madeUpLeaves(to, 'B', forkedAt);
    await lookAt(A, from);
    const said = await lookAt(B);
    expect([said.code, said.out.includes(`${ORIGIN}: FORK: `)]).toEqual([1, true]);
    expect(said.err).toContain(`sworn: ${ORIGIN} contradicts what was signed`);
    expect(kept()).toEqual({ remembered: key.checkpoint(A, from), seen: key.checkpoint(B) });
    // The honest log is still the one that is believed.
    expect((await lookAt(A, 650)).code).toBe(0);
  });

  test('is not found where there is none: what was not remembered yet may differ', async () => {
    await lookAt(A, 300);
    expect((await lookAt(madeUpLeaves(600, 'B', 300))).code).toBe(0);
  });

  test('is found again on the next look, since a finding is never remembered as the log', async () => {
    await lookAt(A, 300);
    const B = madeUpLeaves(300, 'B');
    expect((await lookAt(B)).code).toBe(1);
    expect((await lookAt(B)).code).toBe(1);
    expect(kept().seen).toBe(key.checkpoint(B));
  });

  test('as JSON names what was found and where it is kept', async () => {
    await lookAt(A, 300);
    const line = JSON.parse((await lookAt(madeUpLeaves(310, 'B'), 310, '--json')).out);
    expect(line).toMatchObject({ kind: 'finding', finding: 'FORK', sizes: { remembered: 300, seen: 310 } });
    expect(readFileSync(line.kept.remembered, 'utf8')).toBe(key.checkpoint(A, 300));
  });
});

describe('a log that is rolled back', () => {
  test('is reported, whatever it was rolled back to', async () => {
    await lookAt(A, 300);
    for (const size of [299, 0]) {
      const said = await lookAt(A, size);
      expect([said.code, said.out.split('\n')[0]]).toEqual([
        1,
        `${ORIGIN}: ROLLBACK: ${size} leaves are signed now, and 300 were before`,
      ]);
    }
  });
});

describe('a note that the pinned key did not sign', () => {
  test.each([
    ['by another key of the same name', 'WRONG_KEY', logKeyPair(ORIGIN).checkpoint(A)],
    ['of another log', 'WRONG_ORIGIN', logKeyPair(`${ORIGIN}.2`).checkpoint(A)],
    ['with another size', 'BAD_SIGNATURE', key.checkpoint(A).replace('\n700\n', '\n701\n')],
    [
      'with extension lines, though the key signed them',
      'MALFORMED_CHECKPOINT',
      key.note(`${key.checkpoint(A).split('\n\n')[0]}\nextension\n`),
    ],
  ])('%s is a finding', async (_, finding, note) => {
    await lookAt(A);
    log.show(note, A);
    const said = await once();
    expect([said.code, said.out.split(': ')[1]]).toEqual([1, finding]);
    expect(kept()).toEqual({ remembered: key.checkpoint(A), seen: note });
  });

  test('is a finding at the first look too, when nothing is remembered', async () => {
    log.show(logKeyPair(ORIGIN).checkpoint(A), A);
    expect((await once()).code).toBe(1);
    expect(kept().remembered).toBeNull();
  });
});

describe('tiles that lie', () => {
  test.each([
    ['other hashes', (): Uint8Array => new Uint8Array(8192)],
    ['half a hash', (): Uint8Array => new Uint8Array(100)],
    ['too few hashes', (): Uint8Array => new Uint8Array(32)],
    ['nothing', (): Uint8Array => new Uint8Array(0)],
  ])('%s: the log does not show that it continues, which is no fork yet', async (_, lie) => {
    await lookAt(A, 300);
    for (const path of ['tile/0/000', 'tile/0/001', 'tile/1/000.p/2'])
      log.answer(path, (response) => response.writeHead(200).end(lie()));
    const said = await lookAt(A, 600);
    expect([said.code, said.out.split(': ')[1]]).toEqual([1, 'UNPROVEN']);
    log.answer('tile/0/000', null);
    log.answer('tile/0/001', null);
    log.answer('tile/1/000.p/2', null);
    expect((await lookAt(A, 600)).out).toContain('proven to continue the 300 before');
  });
});

describe('a server that does not answer as it should', () => {
  const unable = async (): Promise<string> => {
    const said = await once();
    expect(said.code).toBe(2);
    expect(existsSync(join(dir, readdirSync(dir)[0] ?? '', 'checkpoint'))).toBe(false);
    return said.out;
  };

  test('with a status that is none of ours is told, and exit code 2', async () => {
    expect(await unable()).toContain('answered 404');
    for (const status of [401, 403, 500, 503]) {
      log.answer('checkpoint', (response) => response.writeHead(status).end());
      expect(await unable()).toContain(`answered ${status}`);
    }
  });

  test('by pointing elsewhere is not followed', async () => {
    const other = await tlogServer();
    other.show(key.checkpoint(A), A);
    log.answer('checkpoint', (response) => response.writeHead(302, { location: `${other.url}/checkpoint` }).end());
    expect(await unable()).toContain('redirects are not followed');
    expect(other.asked).toEqual([]);
    await other.close();
  });

  test('with a body without end is cut off', async () => {
    log.answer('checkpoint', (response) => {
      response.writeHead(200);
      const more = (): void =>
        void (response.write('x'.repeat(65_536)) ? setImmediate(more) : response.once('drain', more));
      more();
    });
    expect(await unable()).toContain('more than 65536 bytes');
  });

  test('with a page that is no note is no finding', async () => {
    log.answer('checkpoint', (response) => response.writeHead(200).end('<html>sign in</html>'));
    expect(await unable()).toContain('no signed note');
  });

  test('by missing a tile says which', async () => {
    await lookAt(A, 300);
    log.answer('tile/0/001', (response) => response.writeHead(404).end());
    const said = await lookAt(A, 600);
    expect([said.code, said.out]).toEqual([2, expect.stringContaining('tile/0/001 is not there')]);
  });

  test('at all is told', async () => {
    const gone = await tlogServer();
    await gone.close();
    const said = await watch([gone.url, '--key', key.vkey, '--state', dir, '--once']);
    expect([said.code, said.out]).toEqual([2, expect.stringContaining('ECONNREFUSED')]);
  });
});

describe('what is pinned', () => {
  test('may stand in a file, of several logs: the one that the URL ends in', async () => {
    const place = ORIGIN.split('/').slice(1).join('/');
    const file = join(dir, 'keys.txt');
    writeFileSync(file, `# ours\n${logKeyPair(ORIGIN.replace('llm-runs', 'audit')).vkey}\n${key.vkey}\n`);
    // Nothing answers there: the origin that is said shows which key it is.
    const said = await watch([`http://127.0.0.1:1/tlog/${place}`, '--key', file, '--state', join(dir, 's'), '--once']);
    expect([said.code, said.out]).toEqual([2, expect.stringContaining(`${ORIGIN}: not looked at`)]);
    const none = await watch([log.url, '--key', file, '--state', join(dir, 's'), '--once']);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('holds no key for a log that ends in')]);
  });

  test('may be several keys of one log, as they were rotated: never back to one before', async () => {
    const next = logKeyPair(ORIGIN);
    const file = join(dir, 'keys.txt');
    writeFileSync(file, `${key.vkey}\n${next.vkey}\n`);
    const look = (): Promise<Said> => watch([log.url, '--key', file, '--state', join(dir, 's'), '--once']);
    const place = ORIGIN.split('/').slice(1).join('/');
    expect((await look()).err).toContain('holds no key for a log');
    const { readPin, judgeNote } = await import('../src/watch/pin.js');
    const pin = readPin(file, new URL(`https://sworn.example/tlog/${place}`));
    const of = (note: string) => judgeNote(Buffer.from(note), pin);
    expect(of(key.checkpoint(A))).toMatchObject({ kind: 'signed', key: 0 });
    expect(of(next.checkpoint(A))).toMatchObject({ kind: 'signed', key: 1 });
    const { lookOnce } = await import('../src/watch/look.js');
    const { openMemory } = await import('../src/watch/memory.js');
    const memory = openMemory(join(dir, 's'), pin);
    const server = (note: string) => ({
      checkpoint: () => Promise.resolve(Buffer.from(note)),
      tile: () => Promise.resolve(null),
    });
    for (const by of [key, next]) expect((await lookOnce(server(by.checkpoint(A)), pin, memory)).kind).toBe('good');
    memory.save(Buffer.from(next.checkpoint(A)), { ...(of(next.checkpoint(A)) as any).checkpoint, size: 701 });
    expect(await lookOnce(server(key.checkpoint(A)), pin, memory)).toMatchObject({ finding: 'WRONG_KEY' });
  });

  test('is refused character for character: another id is no key', async () => {
    const spoilt = key.vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+');
    const said = await watch([log.url, '--key', spoilt, '--state', dir, '--once']);
    expect([said.code, said.err]).toEqual([2, expect.stringContaining('the key id is not that of this name and key')]);
  });

  test('and what is remembered belong together', async () => {
    await lookAt(A, 300);
    const other = logKeyPair(ORIGIN);
    log.show(other.checkpoint(A), A);
    const said = await watch([log.url, '--key', other.vkey, '--state', dir, '--once']);
    expect([said.code, said.err]).toEqual([2, expect.stringContaining('is not a checkpoint under the pinned key')]);
  });
});

describe('a credential', () => {
  test('goes with every request, from its file or from the environment', async () => {
    const file = join(dir, 'token');
    writeFileSync(file, 'from-file\n');
    log.show(key.checkpoint(A), A);
    await once('--credential-file', file);
    await watch([log.url, '--key', key.vkey, '--state', dir, '--once'], { SWORN_WATCH_TOKEN: 'from-env' });
    expect(log.asked.map((a) => a.authorization)).toEqual(['Bearer from-file', 'Bearer from-env']);
  });

  test('is never sent in clear over a network, and never said', async () => {
    const args = ['http://sworn.example/tlog/t/llm-runs', '--key', key.vkey, '--state', dir, '--once'];
    const said = await watch(args, { SWORN_WATCH_TOKEN: 'secret-token' });
    expect([said.code, said.err]).toEqual([2, expect.stringContaining('over https')]);
    expect(said.err).not.toContain('secret-token');
  });
});

describe('a hook', () => {
  test('is run once for a finding that lasts, with the facts and both notes, and the watch goes on', async () => {
    const [program, told] = [join(dir, 'hook'), join(dir, 'told')];
    writeFileSync(
      program,
      `#!/bin/sh\n{ echo "$WATCH_FINDING $WATCH_REMEMBERED_SIZE $WATCH_SEEN_SIZE $SWORN_WATCH_TOKEN"; cat "$WATCH_REMEMBERED_FILE" "$WATCH_SEEN_FILE"; } >> ${told}\n`,
    );
    chmodSync(program, 0o700);
    await lookAt(A, 300);
    const home = makeHome();
    const B = madeUpLeaves(300, 'B');
    log.show(key.checkpoint(B), B);
    const args = ['watch', log.url, '--key', key.vkey, '--state', dir, '--every', '1', '--hook', program];
    const watching = home.start(args, { SWORN_WATCH_TOKEN: 'secret' });
    const before = log.asked.length;
    await eventually(async () => (log.asked.length >= before + 3 && existsSync(told) ? true : null));
    watching.kill();
    await new Promise((resolve) => watching.once('close', resolve));
    expect(readFileSync(told, 'utf8')).toBe(`FORK 300 300 \n${key.checkpoint(A, 300)}${key.checkpoint(B)}`);
    home.remove();
  });

  test('that cannot be run is told, and changes nothing of the answer', async () => {
    await lookAt(A, 300);
    const said = await lookAt(A, 200, '--hook', '/no/such/hook');
    expect([said.code, said.err]).toEqual([1, expect.stringContaining('the hook /no/such/hook could not be started')]);
  });
});

test('an answer that never ends is waited for 20 seconds', async () => {
  const { logServer } = await import('../src/watch/logServer.js');
  const slow = createServer((_, response) => void response.writeHead(200).write('…'));
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const base = new URL(`http://127.0.0.1:${(slow.address() as AddressInfo).port}/log`);
  await expect(logServer({ base, token: null, timeoutMs: 200 }).checkpoint()).rejects.toThrow(
    'no whole answer within 0.2 s',
  );
  slow.closeAllConnections();
  slow.close();
});
