import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { vkeyOf } from '@sworn/evidence';
import { buildTlogread, missingForGo, nodeOf24 } from '@sworn/testkit';
import { bytesSource, openArchive } from '@sworn/verifier';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Said, type Serving } from './swornProcess.js';

const run = promisify(execFile);
const VERIFIER = fileURLToPath(new URL('../../verifier/', import.meta.url));
const RUNS = '/api/v1/logs/llm-runs';
/** Obeyed by a terminal: a title, a colour, a text that runs backwards. */
const HOSTILE = 'r\u001b]0;owned\u0007\u001b[31m\u202eevil';

let home: Home;
let server: Serving;
let keys: { readonly ingest: string; readonly auditor: string };
/** A run with two steps of which one gave its reason, sealed and covered; one without an end; one of another tenant. */
let sealed: string;
let open: string;
let foreign: string;

/** A file in the home that no test had before. */
let files = 0;
const fresh = (): string => join(home.dir, `bundle-${++files}.zip`);
const sworn = (...args: string[]): Promise<Said> => home.run(args);
const exportOf = (runId: string, ...more: string[]) => sworn('export', '--tenant', 'acme', '--run', runId, ...more);
const get = async (path: string): Promise<any> =>
  (await fetch(`${server.http}${path}`, { headers: { authorization: `Bearer ${keys.auditor}` } })).json();

/** The one file, on a Node that knows nothing of this repository. */
const verifyMjs = (...args: string[]): Promise<Said> => verifyOn(process.execPath, ...args);

async function verifyOn(node: string, ...args: string[]): Promise<Said> {
  const argv = [join(home.dir, 'verify.mjs'), ...args];
  const said = await run(node, argv, { cwd: home.dir, env: {} }).then(
    (done) => ({ ...done, code: 0 }),
    (failed: { code: number; stdout: string; stderr: string }) => failed,
  );
  return { code: said.code, out: said.stdout, err: said.stderr, bytes: Buffer.from(said.stdout) };
}

async function send(key: string, parentOfRoot?: string, conversation?: string): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const root = randomBytes(8).toString('hex');
  const span = (spanId: string, parentSpanId: string | undefined, name: string) => ({
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: 1,
    startTimeUnixNano: `${Date.now()}000000`,
    endTimeUnixNano: `${Date.now() + 5}000000`,
    attributes: [
      { key: 'gen_ai.operation.name', value: { stringValue: 'invoke_agent' } },
      ...(conversation === undefined ? [] : [{ key: 'gen_ai.conversation.id', value: { stringValue: conversation } }]),
    ],
  });
  const spans = [span(root, parentOfRoot, 'turn'), span(randomBytes(8).toString('hex'), root, 'look up the order')];
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] };
  const response = await fetch(`${server.otlpHttp}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
  });
  expect(response.status).toBe(200);
  return traceId;
}

beforeAll(async () => {
  await run(process.execPath, [join(VERIFIER, 'scripts/bundle.mjs')]);
  home = makeHome();
  writeFileSync(join(home.dir, 'verify.mjs'), readFileSync(join(VERIFIER, 'dist/verify.mjs')));
  server = await home.serve([], { SWORN_SEAL_GRACE_MS: '500' });
  for (const name of ['acme', 'other']) await sworn('tenant', 'create', name);
  const issue = async (tenant: string, role: string): Promise<string> =>
    /swk_\S+/.exec((await sworn('key', 'create', '--tenant', tenant, '--role', role)).out)?.[0] ?? '';
  keys = { ingest: await issue('acme', 'ingest'), auditor: await issue('acme', 'auditor') };
  sealed = await send(keys.ingest);
  open = await send(keys.ingest, 'abcdefabcdefabcd');
  foreign = await send(await issue('other', 'ingest'));
  await eventually(async () => {
    const { items } = await get(`${RUNS}?limit=100`);
    const found = items.find((item: any) => item.run_id === sealed);
    return found?.metadata.integrity.state === 'COVERED' ? found : null;
  });
  writeFileSync(join(home.dir, 'key.txt'), (await sworn('log', 'key', '--tenant', 'acme')).out);
}, 120_000);

afterAll(async () => {
  await server.stop();
  home.remove();
});

describe('sworn export', () => {
  test('writes the bundle of a run for its user alone, and nothing else, and says what it is as JSON', async () => {
    const directory = join(home.dir, 'handed-over');
    mkdirSync(directory);
    const file = join(directory, 'evidence.zip');
    const said = await exportOf(sealed, '--out', file, '--json');
    // On a slow machine it says how far it is.
    expect([said.code, said.err]).toEqual([
      0,
      expect.stringMatching(/^(\d+ of 7 records\n|making its \w+, of 7 records\n)*$/),
    ]);
    expect(JSON.parse(said.out)).toEqual({
      export_id: expect.stringMatching(/^[a-z0-9_-]+$/i),
      file,
      bytes: statSync(file).size,
      checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      attested: true,
    });
    expect(readdirSync(directory)).toEqual(['evidence.zip']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(home.dataDir, 'exports'))).toEqual([]);
    expect(statSync(join(home.dataDir, 'exports')).mode & 0o777).toBe(0o700);
  }, 60_000);

  test('fixes the records of a period, and then draws some of them, which a stranger checks against what was fixed', async () => {
    const [fixed, drawn] = [fresh(), fresh()];
    const period = ['--scope', 'system', '--from', '2000-01-01', '--to', '2100-01-01'];
    const first = await sworn('export', '--tenant', 'acme', ...period, '--sample', '0', '--out', fixed, '--json');
    const { export_id: id } = JSON.parse(first.out) as { readonly export_id: string };
    const nonce = ['--sample', '1', '--nonce', 'said-once-it-was-fixed'];
    const second = await sworn('export', '--tenant', 'acme', '--as-of', id, ...nonce, '--out', drawn);
    expect([first.code, second.code, second.err]).toEqual([0, 0, expect.not.stringContaining('sworn:')]);
    const said = await verifyMjs(drawn, '--key', 'key.txt', '--against', fixed);
    expect(said.out).toMatch(
      /^system logs from 2000-01-01T00:00:00\.000000Z to 2100-01-01T00:00:00\.000000Z, 1 drawn of \d+,/,
    );
    expect(said.out).toMatch(/: 1 records and \d+ bare hashes under size \d+/);
    expect(said.out).toContain('system is complete up to its checkpoint of size ');
    expect([said.code, said.out]).toEqual([0, expect.stringContaining('VERIFIED: ')]);
    const unknown = await sworn('export', '--tenant', 'acme', '--as-of', 'exp_0');
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('there is no record of an export exp_0')]);
    const without = await sworn('export', '--tenant', 'acme', ...period, '--sample', '1');
    expect([without.code, without.err]).toEqual([2, expect.stringContaining('--sample needs --nonce')]);
  }, 60_000);

  test('never writes over a file, and asks for nothing before it says so', async () => {
    const before = (await get(`/api/v1/logs/audit/exports?run_id=${sealed}`)).items.length;
    const file = fresh();
    writeFileSync(file, 'the only copy');
    const said = await exportOf(sealed, '--out', file);
    expect([said.code, said.out]).toEqual([1, '']);
    expect(said.err).toBe(`sworn: ${file} is already there and is not written over; choose another --out\n`);
    expect(readFileSync(file, 'utf8')).toBe('the only copy');
    expect((await get(`/api/v1/logs/audit/exports?run_id=${sealed}`)).items).toHaveLength(before);
  }, 60_000);

  test('says of a directory that is not there, and of a draft that was left, what to do', async () => {
    const nowhere = join(home.dir, 'no such', 'evidence.zip');
    const said = await exportOf(sealed, '--out', nowhere);
    expect([said.code, said.out, said.err]).toEqual([
      2,
      '',
      `sworn: cannot write ${nowhere}: ENOENT; choose another --out\n`,
    ]);
    const file = fresh();
    writeFileSync(`${file}.part`, 'half');
    const left = await exportOf(sealed, '--out', file);
    expect([left.code, existsSync(file), readFileSync(`${file}.part`, 'utf8')]).toEqual([2, false, 'half']);
    expect(left.err).toContain(`${file}.part: another export writes it, or one was interrupted: delete it, or`);
  }, 60_000);

  test.each([
    ['that nobody has', () => HOSTILE, /^sworn: there is no such run\n$/],
    ['of another tenant', () => foreign, /^sworn: there is no such run\n$/],
    ['that is open', () => open, /^sworn: run [0-9a-f]{32} is still open: it is exported once it is sealed\n$/],
  ])('of a run %s says no, and leaves nothing', async (_, runId, sentence) => {
    const file = fresh();
    const said = await exportOf(runId(), '--out', file);
    expect([said.code, said.out, existsSync(file), existsSync(`${file}.part`)]).toEqual([1, '', false, false]);
    expect(said.err).toMatch(sentence);
  });

  test('writes the sealed runs of a conversation into one bundle, names the open one, and verify.mjs agrees', async () => {
    const turns = [
      await send(keys.ingest, undefined, 'thread-7'),
      await send(keys.ingest, undefined, 'thread-7'),
      await send(keys.ingest, 'abcdefabcdefabcd', 'thread-7'),
    ];
    await eventually(async () => {
      const { items } = await get(`${RUNS}?conversation_id=thread-7`);
      const covered = items.filter((item: any) => item.metadata.integrity.state === 'COVERED');
      return covered.length === 3 && covered.filter((item: any) => item.completed_at !== null).length === 2
        ? covered
        : null;
    });
    const file = fresh();
    const said = await sworn('export', '--tenant', 'acme', '--conversation', 'thread-7', '--out', file);
    expect(said.code).toBe(0);
    expect(said.out).toContain(`2 runs\nleft out: ${turns[2]}, NOT_SEALED\n`);
    const checked = await verifyMjs(file, '--key', 'key.txt');
    expect([checked.code, checked.err]).toEqual([0, '']);
    expect(checked.out).toContain('2 runs of conversation thread-7, 1 known and left out, contents disclosed: none\n');
    expect(checked.out).toContain('(that no other run belongs to it is not proven)');
    const asJson = await sworn('export', '--tenant', 'acme', '--conversation', 'thread-7', '--out', fresh(), '--json');
    expect(JSON.parse(asJson.out)).toMatchObject({ runs: 2, left_out: [{ run_id: turns[2], reason: 'NOT_SEALED' }] });
    const { items } = await get('/api/v1/logs/audit/exports?limit=1');
    expect(items[0]).toMatchObject({ scope: { kind: 'RUNS', by: 'CONVERSATION', value: 'thread-7' }, downloads: 2 });
  }, 120_000);

  test.each([
    [
      'of a conversation that nobody named',
      ['--conversation', 'none'],
      1,
      /^sworn: no run of conversation none is there$/m,
    ],
    ['of nothing', [], 2, /^sworn: one of --run, .* says what is exported\n$/],
    ['of two things', ['--run', 'a', '--incident', 'b'], 2, /^sworn: one of .*: one bundle is about one of them\n$/],
  ])('%s writes nothing, and says why', async (_, asked, code, sentence) => {
    const file = fresh();
    const said = await sworn('export', '--tenant', 'acme', ...asked, '--out', file);
    expect([said.code, said.out, existsSync(file)]).toEqual([code, '', false]);
    expect(said.err).toMatch(sentence);
  });

  test('names what may be disclosed, and does not write back what a terminal obeys', async () => {
    const said = await exportOf(sealed, '--disclose', HOSTILE);
    expect([said.code, said.out]).toEqual([2, '']);
    expect(said.err).toMatch(/--disclose.*none, governance, all/);
    expect(said.err).not.toMatch(/[\u001b\u0007\u202e]/);
  });

  test('shows contents where it was asked to, and holds to what was signed either way', async () => {
    const [closed, disclosed] = [fresh(), fresh()];
    expect((await exportOf(sealed, '--out', closed)).code).toBe(0);
    expect((await exportOf(sealed, '--disclose', 'all', '--out', disclosed)).code).toBe(0);
    expect(readFileSync(closed).includes('data/disclosures/llm-runs.ndjson')).toBe(false);
    expect(readFileSync(disclosed).includes('data/disclosures/llm-runs.ndjson')).toBe(true);
    for (const file of [closed, disclosed]) expect((await verifyMjs(file, '--key', 'key.txt')).code).toBe(0);
  }, 60_000);

  test('is on record: who asked, what it was, how often it was handed out', async () => {
    const { export_id, checksum } = JSON.parse((await exportOf(sealed, '--out', fresh(), '--json')).out);
    const shown = await eventually(async () => {
      const { items } = await get(`/api/v1/logs/audit/exports?run_id=${sealed}`);
      return items.find((item: any) => item.export_id === export_id && item.delivered) ?? null;
    });
    expect(shown).toMatchObject({
      export_status: 'COMPLETED',
      content_checksum: checksum,
      disclosure: 'none',
      scope: { kind: 'RUN', run_id: sealed },
      actor_type: 'COMMAND',
      permission: 'logs.export',
    });
    const { downloads } = shown;
    expect((await exportOf(sealed, '--out', fresh())).code).toBe(0);
    await eventually(async () => {
      const { items } = await get(`/api/v1/logs/audit/exports?run_id=${sealed}`);
      const again = items.find((item: any) => item.export_id === export_id);
      return again.downloads === downloads + 1 ? again : null;
    });
    const { items } = await get(`/api/v1/logs/audit/access?run_id=${sealed}&limit=100`);
    const kinds = new Set(items.map((item: any) => item.event_type));
    expect([...kinds]).toEqual(expect.arrayContaining(['EXPORT_PENDING', 'EXPORT_COMPLETED', 'EXPORT_DELIVERED']));
  }, 60_000);
});

describe('sworn verify and verify.mjs', () => {
  let bundle: string;
  beforeAll(async () => {
    bundle = fresh();
    await exportOf(sealed, '--out', bundle);
  }, 60_000);

  /** Both, which must say the same. */
  async function verify(...args: string[]): Promise<Said> {
    const [own, alone] = [await sworn('verify', ...args), await verifyMjs(...args)];
    expect([own.code, own.out]).toEqual([alone.code, alone.out]);
    return alone;
  }
  const key = () => join(home.dir, 'key.txt');

  test('0: everything agrees, under the pinned key', async () => {
    const said = await verify(bundle, '--key', key());
    expect([said.code, said.err]).toEqual([0, '']);
    expect(said.out).toMatch(/^VERIFIED: /m);
    expect(said.out).toMatch(/^made and handed out as /m);
  });

  test('1: one byte of a record is another, or the key is of somebody else', async () => {
    const bytes = readFileSync(bundle);
    const at = bytes.indexOf('"kind":"STEP"');
    expect(at).toBeGreaterThan(0);
    bytes[at + 9] = 'X'.charCodeAt(0);
    const changed = fresh();
    writeFileSync(changed, bytes);
    const said = await verify(changed, '--key', key());
    expect([said.code, said.err]).toEqual([1, '']);
    expect(said.out).toMatch(/^CONTRADICTED: /m);
    expect(said.out).toMatch(/^BAG_DIGEST data\/records\/llm-runs\.ndjson: expected /m);
    writeFileSync(join(home.dir, 'other.txt'), (await sworn('log', 'key', '--tenant', 'other')).out);
    const other = await verify(bundle, '--key', join(home.dir, 'other.txt'));
    expect(other.code).toBe(1);
    expect(other.out).toMatch(/^CHECKPOINT_UNSIGNED /m);
  });

  test('2: it could not be looked at, and why', async () => {
    const notKeys = join(home.dir, 'not-keys.txt');
    writeFileSync(notKeys, 'hello\n');
    const empty = join(home.dir, 'no-keys.txt');
    writeFileSync(empty, '# none yet\n');
    for (const [args, why] of [
      [['nowhere.zip', '--key', key()], /cannot read nowhere\.zip: ENOENT/],
      [[home.dir], /is not a file/],
      [[bundle, '--key', join(home.dir, 'nothing.txt')], /cannot read .*nothing\.txt: ENOENT/],
      [[bundle, '--key', notKeys], /not-keys\.txt: line 1: /],
      [[bundle, '--key', '/dev/zero'], /\/dev\/zero is no key file: it has more than 1048576 bytes/],
      [[bundle, '--key', home.dir], /cannot read .*: EISDIR/],
      [[bundle, '--key', empty], /holds no verifier key/],
      [[bundle, '--key', key(), '--against', 'older.zip'], /cannot read older\.zip: ENOENT/],
    ] as const) {
      const said = await verify(...args);
      expect([said.code, said.out]).toEqual([2, '']);
      expect(said.err).toMatch(why);
    }
    expect((await verifyMjs()).code).toBe(2);
    expect((await verifyMjs(bundle, '--nosuch')).code).toBe(2);
  }, 60_000);

  test('3: no key was pinned', async () => {
    const said = await verify(bundle);
    expect([said.code, said.err]).toEqual([3, '']);
    expect(said.out).toMatch(/^UNPINNED: /m);
  });

  test('a file that is no ZIP is no bundle', async () => {
    const file = fresh();
    writeFileSync(file, 'hello');
    const said = await verify(file, '--key', key());
    expect(said.code).toBe(1);
    expect(said.out).toMatch(/^ARCHIVE_NOT_A_ZIP/m);
  });

  test('holds it against an older one', async () => {
    const later = fresh();
    await exportOf(sealed, '--disclose', 'all', '--out', later);
    expect((await verify(later, '--key', key(), '--against', bundle)).code).toBe(0);
  }, 60_000);

  test('says it as JSON that is JSON, whatever the bundle cites', async () => {
    const whole = await verify(bundle, '--key', key(), '--json');
    expect(JSON.parse(whole.out)).toMatchObject({
      verdict: 'VERIFIED',
      findings: [],
      statement: { format: 'sworn.bundle/1' },
    });
    // As many bytes as before, so that the archive's places hold. The statement's own words are cited as they are.
    const bytes = readFileSync(bundle);
    const origin = '"origin": "';
    const at = bytes.indexOf(`${origin}sworn-`);
    expect(at).toBeGreaterThan(0);
    bytes.write('\u202e\u200b', at + origin.length);
    const file = fresh();
    writeFileSync(file, bytes);
    for (const args of [[file], [file, '--json']]) {
      const said = await verify(...args);
      expect(said.code).toBe(1);
      expect(said.out).toMatch(/^[ -~…\n]+$/);
    }
    const found = JSON.parse((await verify(file, '--json')).out);
    expect(found.findings.length).toBeGreaterThan(0);
    const told = await verify(`${HOSTILE}.zip`);
    expect([told.code, /[\u001b\u0007\u202e]/.test(told.err)]).toEqual([2, false]);
  }, 60_000);

  test('a page finds the same of a chosen file, by Web Crypto, with the one file for browsers', async () => {
    const page = await import(pathToFileURL(join(VERIFIER, 'dist/verify.browser.mjs')).href);
    const onPage = async (bytes: Uint8Array<ArrayBuffer>, keyText: string) => {
      const trust = { keys: page.parseKeys(keyText), verify: page.verifyByWebCrypto };
      const found = await page.verifyBundle(page.blobSource(new File([bytes], 'chosen.zip')), trust);
      return JSON.parse(JSON.stringify(found));
    };
    const honest = readFileSync(bundle);
    const own = readFileSync(key(), 'utf8');
    /** With another character so far behind the last place where it says this. */
    const turned = (before: string, offset = 0) => {
      const bytes = Buffer.from(honest);
      const found = honest.lastIndexOf(before);
      expect(found).toBeGreaterThan(0);
      const at = found + Buffer.byteLength(before) + offset;
      bytes[at] = bytes[at] === 'A'.charCodeAt(0) ? 'B'.charCodeAt(0) : 'A'.charCodeAt(0);
      return bytes;
    };
    // 32 bytes of which the first coordinate is that of no point: nobody has such a key.
    const origin = /^\S+\/llm-runs(?=\+)/m.exec(own)?.[0] ?? '';
    const pointless = `${vkeyOf(origin, Uint8Array.of(2, ...new Array<number>(31).fill(0)))}\n`;
    for (const [bytes, keys, verdict, code] of [
      [honest, own, 'VERIFIED', null],
      [honest, '', 'UNPINNED', null],
      [honest, pointless, 'CONTRADICTED', 'CHECKPOINT_UNSIGNED'],
      [turned('"kind":"ST'), own, 'CONTRADICTED', 'NOT_UNDER_CHECKPOINT'],
      [turned(`\n\n— ${origin} `, 20), own, 'CONTRADICTED', 'CHECKPOINT_UNSIGNED'],
      [turned('"sig":"', 9), own, 'CONTRADICTED', 'ATTESTATION_UNSIGNED'],
      [honest.subarray(0, -1), own, 'CONTRADICTED', 'ARCHIVE_NOT_A_ZIP'],
    ] as const) {
      const [file, keyFile] = [fresh(), join(home.dir, 'page-key.txt')];
      writeFileSync(file, bytes);
      writeFileSync(keyFile, keys);
      const said = await verify(file, ...(keys === '' ? [] : ['--key', keyFile]), '--json');
      const found = await onPage(new Uint8Array(bytes), keys);
      expect(found).toEqual(JSON.parse(said.out));
      expect(found.verdict).toBe(verdict);
      if (code !== null) expect(found.findings.map((one: { code: string }) => one.code)).toContain(code);
    }
  }, 120_000);

  test('finishes when nobody reads on', async () => {
    const { code, err } = await home.runUnread(['verify', bundle, '--key', key()]);
    expect([code, err]).toEqual([0, '']);
    const piped = 'node "$0" "$1" --json | head -c 1; exit "${PIPESTATUS[0]}"';
    const said = await run('bash', ['-c', piped, join(home.dir, 'verify.mjs'), bundle]).catch((failed) => failed);
    expect([said.code, said.stderr]).toEqual([3, '']);
  });
});

const NODE_24 = nodeOf24();
const GO_MISSING = missingForGo();
if (NODE_24 === null)
  process.stderr.write('no Node 24 exports or verifies in this run: CONTRIBUTING.md says how to get it\n');
if (GO_MISSING !== null) process.stderr.write(`Go reads no bundle in this run: it ${GO_MISSING}\n`);

/** Whether a program is not here. */
const isMissing = (program: string): boolean => spawnSync(program, ['--help']).error !== undefined;

describe('a bundle of a run', () => {
  /** The core of a bundle of the sealed run that a process makes: names, sizes and checksums of its files. */
  async function coreBy(env: Record<string, string>, node?: string) {
    const file = fresh();
    const args = ['export', '--tenant', 'acme', '--run', sealed, '--disclose', 'all', '--out', file];
    expect((await home.run(args, env, node)).code).toBe(0);
    const { entries } = await openArchive(bytesSource(readFileSync(file)));
    const core = entries
      .filter(({ name }) => name !== 'attestation.dsse.json')
      .map(({ name, size, crc32 }) => ({ name, size, crc32 }));
    return { file, core };
  }

  test('has the same core whichever process makes it, in whatever time zone and language', async () => {
    const [one, other] = await Promise.all([
      coreBy({ TZ: 'UTC', LANG: 'C', LC_ALL: 'C' }),
      coreBy({ TZ: 'Pacific/Kiritimati', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' }),
    ]);
    expect(other.core).toEqual(one.core);
    expect(one.core.length).toBeGreaterThan(20);
  }, 60_000);

  test.skipIf(NODE_24 === null)(
    'has the same core on Node 24, and either verifies what the other made',
    async () => {
      const node = NODE_24 as string;
      expect((await run(node, ['--version'])).stdout).toMatch(/^v24\./);
      const [here, there] = await Promise.all([coreBy({}), coreBy({}, node)]);
      expect(there.core).toEqual(here.core);
      const [said, own] = [await verifyOn(node, here.file, '--key', 'key.txt'), await verifyMjs(there.file)];
      expect([said.code, said.err]).toEqual([0, '']);
      expect([own.code, own.err]).toEqual([3, '']);
      expect((await verifyMjs(here.file, '--key', 'key.txt')).out).toBe(said.out);
      const bytes = readFileSync(here.file);
      bytes[bytes.indexOf('"kind":"STEP"') + 9] = 'X'.charCodeAt(0);
      writeFileSync(here.file, bytes);
      const [found, same] = [await verifyOn(node, here.file, '--json'), await verifyMjs(here.file, '--json')];
      expect([found.code, found.out]).toEqual([1, same.out]);
    },
    60_000,
  );

  test.skipIf(GO_MISSING !== null)(
    'is proven by Go’s sumdb: its checkpoint under the key that it names, and the RUN leaf under that',
    async () => {
      const file = fresh();
      expect((await exportOf(sealed, '--out', file)).code).toBe(0);
      const tlogread = buildTlogread(home.dir);
      // No record of `audit` is in it: the one proof of its own is that of the RUN leaf.
      expect((await run(tlogread, ['-bundle', file])).stdout).toBe('1 records proven\n');
      const { entries } = await openArchive(bytesSource(readFileSync(file)));
      expect(entries.filter(({ name }) => name.endsWith('.tlog-proof'))).toHaveLength(1);
      const files = new Map(entries.map((entry) => [entry.name, entry]));
      const keys = files.get('trust/keys.txt')!;
      const pinned = readFileSync(join(home.dir, 'key.txt'), 'utf8').split('\n');
      const named = Buffer.from(await keys.read(0, keys.size))
        .toString()
        .trim();
      for (const line of named.split('\n')) expect(pinned).toContain(line);
      const bytes = readFileSync(file);
      bytes[bytes.indexOf('"kind":"RUN"') + 8] = 'X'.charCodeAt(0);
      writeFileSync(file, bytes);
      const said = await run(tlogread, ['-bundle', file]).catch((failed) => failed);
      expect([said.code, said.stderr]).toEqual([1, expect.stringMatching(/zip: checksum error/)]);
    },
    120_000,
  );

  test.skipIf(['unzip', 'sha256sum', 'openssl', 'python3', 'pdftotext'].some(isMissing))(
    'is accepted, part by part, by tools that nobody here wrote',
    async () => {
      const [file, folder] = [fresh(), join(home.dir, 'unpacked')];
      expect((await exportOf(sealed, '--disclose', 'all', '--out', file)).code).toBe(0);
      const inFolder = async (program: string, ...args: string[]) =>
        (await run(program, args, { cwd: folder })).stdout.trim();
      await run('unzip', ['-q', file, '-d', folder]);
      await inFolder('sha256sum', '--check', '--strict', '--quiet', 'manifest-sha256.txt', 'tagmanifest-sha256.txt');
      // Text and signature of the checkpoint, taken apart as VERIFY.md says.
      const [text = '', signatures = ''] = readFileSync(join(folder, 'proofs/llm-runs/checkpoint'), 'utf8').split(
        '\n\n',
      );
      writeFileSync(join(folder, 'text'), `${text}\n`);
      const signature = Buffer.from(signatures.trim().split(' ')[2] ?? '', 'base64').subarray(4);
      writeFileSync(join(folder, 'signature'), signature);
      const pem = (await sworn('log', 'key', '--tenant', 'acme', '--pem')).out;
      writeFileSync(join(folder, 'key.pem'), pem.slice(0, pem.indexOf('-----END PUBLIC KEY-----') + 25));
      const asked = [
        'pkeyutl',
        '-verify',
        '-pubin',
        '-inkey',
        'key.pem',
        '-rawin',
        '-in',
        'text',
        '-sigfile',
        'signature',
      ];
      expect(await inFolder('openssl', ...asked)).toBe('Signature Verified Successfully');
      const csv = 'import csv; print([len(r) for r in csv.reader(open("data/events.csv", newline=""), strict=True)])';
      expect(await inFolder('python3', '-c', csv)).toBe('[16, 16, 16]');
      expect(await inFolder('pdftotext', '-layout', 'data/report.pdf', '-')).toContain(sealed);
      expect(await inFolder('python3', '-m', 'zipfile', '-t', file)).toBe('Done testing');
      expect(await inFolder('python3', '-c', 'import json; json.load(open("data/spans.otlp.json"))')).toBe('');
    },
    60_000,
  );
});

test('without a server nobody signs the record of the export: not attested, which it says, and otherwise the same', async () => {
  const [beside, alone] = [fresh(), fresh()];
  const first = JSON.parse((await exportOf(sealed, '--out', beside, '--json')).out);
  expect(await server.stop()).toBe(0);
  const said = await exportOf(sealed, '--out', alone, '--json');
  expect(said.code).toBe(0);
  expect(JSON.parse(said.out)).toEqual({ ...first, file: alone, bytes: statSync(alone).size, attested: false });
  const told = await exportOf(sealed, '--out', fresh());
  expect(told.err).toMatch(/^not attested: no checkpoint covered the record of this export in time/m);
  const verified = await verifyMjs(alone, '--key', 'key.txt', '--json');
  expect([verified.code, JSON.parse(verified.out).attested]).toEqual([0, null]);
  server = await home.serve([], { SWORN_SEAL_GRACE_MS: '500' });
}, 120_000);
