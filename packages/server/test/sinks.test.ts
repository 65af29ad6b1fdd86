import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { checkpointBody, formatNote, parseCheckpoint } from '@sworn/evidence';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSinkMetrics, type SinkDelivery } from '../src/sign/delivery.js';
import { rememberedBySinks } from '../src/sign/fileSink.js';
import { noteFileName } from '../src/sign/noteFile.js';
import type { SignerFinding } from '../src/sign/finding.js';
import { createSinks } from '../src/sign/sinks.js';
import { readSinks, type SinkAddress } from '../src/sinkAddress.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let dir: string;
let sunk: string;

beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  dir = mkdtempSync(join(tmpdir(), 'sworn-sinks-'));
  sunk = join(dir, 'sunk');
});
afterEach(() => rmSync(dir, { recursive: true }));
afterAll(() => house.close());

const originOf = (log: string): string => `test/${tenant}/${log}`;
const fileOf = (log: string): string => join(sunk, noteFileName(originOf(log)));

/** One delivery to one sink; as after a restart, it knows nothing of what others of it did. */
interface Desk {
  readonly findings: SignerFinding[];
  readonly warned: string[];
  round(): Promise<void>;
  stop(): void;
  /** Milliseconds its clock is ahead. */
  advance(ms: number): void;
  metric(name: string): Promise<number | undefined>;
}

function desk(url: string, { tokens = [] as string[], oneUser = false } = {}): Desk {
  const read = readSinks([url], tokens, { dataDir: '/nowhere', oneUser });
  expect(read.mistakes).toEqual([]);
  const registry = new Registry();
  const [findings, warned]: [SignerFinding[], string[]] = [[], []];
  let ahead = 0;
  const stopping = new AbortController();
  const [delivery] = createSinks(
    {
      db: house.database.db,
      originOf: house.read.originOf,
      tenants: () => Promise.resolve([tenant]),
      verifyCheckpoint: house.read.verifyCheckpoint,
      isGivenUp: () => Promise.resolve(false),
      directoryKey: house.keyStore.deployment.directory,
      holdsLease: () => Promise.resolve(true),
      onFinding: (finding) => Promise.resolve(void findings.push(finding)),
      metrics: createSinkMetrics(registry),
      log: { warn: (fields) => void warned.push(JSON.stringify(fields)) },
      stopping: stopping.signal,
      now: () => performance.now() + ahead,
    },
    read.sinks,
  ) as [SinkDelivery];
  return {
    findings,
    warned,
    round: () => delivery.round(),
    stop: () => stopping.abort(),
    advance: (ms) => void (ahead += ms),
    metric: async (name) => (await registry.getSingleMetric(name)?.get())?.values[0]?.value,
  };
}

async function newRun(): Promise<string> {
  const id = newTrace();
  await house.ingest(tenant, agentRun(id));
  await house.seal(tenant);
  await house.sign(tenant);
  return id;
}

async function newestNote(log: string): Promise<string> {
  const [row] = await house.database.admin<{ note: string }>(
    `select note from sworn.checkpoint where tenant_id = $1 and log = $2 order by size desc limit 1`,
    [tenant, log],
  );
  return row?.note ?? '';
}

/** Past triggers and row-level security, as a superuser can. */
async function attack(statement: string, values: unknown[] = [tenant]): Promise<void> {
  await house.database.admin(`set session_replication_role = replica`);
  await house.database.admin(statement, values);
  await house.database.admin(`set session_replication_role = origin`);
}

/** A checkpoint that the real key signs of whatever it is told. */
function signed(log: string, size: number, root: Uint8Array): string {
  const origin = originOf(log);
  const { publicKey, sign } = house.keyStore.noteSigner;
  return formatNote(checkpointBody({ origin, size, root }), [
    { name: origin, publicKey, sign: (message) => sign.call(house.keyStore.noteSigner, message) },
  ]);
}

const fileSink = (): string => `file://${sunk}`;

describe('a file sink', () => {
  it('holds every checkpoint that was delivered, one behind the other, and is delivered none twice', async () => {
    const first = desk(fileSink());
    await newRun();
    await first.round();
    const one = await newestNote('llm-runs');
    await newRun();
    await first.round();
    await first.round();
    const two = await newestNote('llm-runs');
    // After a restart all is compared once more, and found there.
    await desk(fileSink()).round();
    expect(readFileSync(fileOf('llm-runs'), 'utf8')).toBe(`${one}\n${two}\n`);
    expect(parseCheckpoint(one).size).toBeLessThan(parseCheckpoint(two).size);
    expect(first.findings).toEqual([]);
    expect(await first.metric('sworn_checkpoint_sink_lag_seconds')).toBe(0);
  });

  it('is remembered by, log for log', async () => {
    await newRun();
    await desk(fileSink()).round();
    const { sinks } = readSinks([fileSink()], [], { dataDir: '/nowhere', oneUser: false });
    const note = await newestNote('llm-runs');
    const { size, root } = parseCheckpoint(note);
    expect(await rememberedBySinks(sinks).newest(originOf('llm-runs'))).toEqual([
      { source: fileSink(), note, size, root },
    ]);
    expect(await rememberedBySinks(sinks).newest(originOf('audit'))).toEqual([]);
  });

  it('goes on behind a torn tail, wherever the tear was', async () => {
    await newRun();
    await desk(fileSink()).round();
    const before = readFileSync(fileOf('llm-runs'), 'utf8');
    await newRun();
    const note = await newestNote('llm-runs');
    for (const cut of [1, 40, note.indexOf('\n\n') + 2, note.indexOf('\u2014') + 1, note.length - 1, note.length]) {
      writeFileSync(fileOf('llm-runs'), before + note.slice(0, cut));
      await desk(fileSink()).round();
      expect([cut, readFileSync(fileOf('llm-runs'), 'utf8')]).toEqual([cut, `${before}${note}\n`]);
    }
  });

  it('that ends in something else is left as it is, and confirms nothing', async () => {
    await newRun();
    const broken = desk(fileSink());
    await broken.round();
    const foreign = 'text of\n1\nsomebody\n\n\u2014 else AAAA\n\n';
    appendFileSync(fileOf('llm-runs'), foreign);
    await newRun();
    await broken.round();
    expect(readFileSync(fileOf('llm-runs'), 'utf8').endsWith(foreign)).toBe(true);
    expect(broken.findings).toEqual([]);
    expect(broken.warned.join()).toContain('does not end in a checkpoint of this log');
    expect(await broken.metric('sworn_checkpoint_sink_lag_seconds')).toBeGreaterThan(0);
  });

  it.each([
    ['of the same size', 0, 'LOG_DIFFERS_FROM_SIGNED'],
    ['that is smaller than ours', -1, 'LOG_DIFFERS_FROM_SIGNED'],
    ['that is larger than ours', 1, 'LOG_SHORTER_THAN_SIGNED'],
  ] as const)('says so when it holds another history %s, signed with the real key', async (_, more, finding) => {
    await newRun();
    await desk(fileSink()).round();
    const ours = parseCheckpoint(await newestNote('llm-runs'));
    const theirs = signed('llm-runs', ours.size + more, new Uint8Array(32).fill(7));
    writeFileSync(fileOf('llm-runs'), `${theirs}\n`);
    const accused = desk(fileSink());
    await accused.round();
    await accused.round();
    expect(accused.findings).toMatchObject([
      { finding, tenantId: tenant, log: 'llm-runs', index: ours.size + more - 1 },
    ]);
    expect(accused.findings[0]?.found).toContain(fileSink());
    expect(readFileSync(`${fileOf('llm-runs')}.contradicts`, 'utf8')).toBe(await newestNote('llm-runs'));
    expect(readFileSync(fileOf('llm-runs'), 'utf8')).toBe(`${theirs}\n`);
    expect(await accused.metric('sworn_checkpoint_sink_contradictions')).toBe(1);
  });

  it('that somebody else wrote into accuses nobody', async () => {
    await newRun();
    await desk(fileSink()).round();
    const ours = parseCheckpoint(await newestNote('llm-runs'));
    const forged = signed('llm-runs', ours.size, new Uint8Array(32)).replace(
      `\n${ours.size}\n`,
      `\n${ours.size + 9}\n`,
    );
    writeFileSync(fileOf('llm-runs'), `${forged}\n`);
    const accused = desk(fileSink());
    await accused.round();
    expect([accused.findings, accused.warned.length]).toEqual([[], 1]);
  });

  it('says so when the log is gone from the database', async () => {
    await newRun();
    await desk(fileSink()).round();
    for (const table of ['leaf', 'checkpoint', 'log_head', 'sink_confirmation'])
      await attack(`delete from sworn.${table} where tenant_id = $1 and log = 'llm-runs'`);
    const accused = desk(fileSink());
    await accused.round();
    expect(accused.findings).toMatchObject([{ finding: 'LOG_SHORTER_THAN_SIGNED', log: 'llm-runs' }]);
    expect(accused.findings[0]?.found).toContain('no such log');
  });
});

describe('a tier', () => {
  const tiers = async (id: string): Promise<string[]> => {
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'reader' });
    const answers = [`${LIST}/${id}/envelope`, `${LIST}/${id}/trace`, LIST].map((path) => get(house, path, key));
    const [envelope, trace, list] = await Promise.all(answers);
    const item = list?.json.items.find((run: { run_id: string }) => run.run_id === envelope?.json.run_id);
    return [envelope?.json, trace?.json, item].map((of) => of.metadata.integrity.tier as string);
  };
  const all = (tier: string): string[] => [tier, tier, tier];

  it('is of the record: held, once a sink confirmed what covers it, and not before', async () => {
    const held = await newRun();
    expect(await tiers(held)).toEqual(all('SELF_ATTESTED'));
    await desk(fileSink()).round();
    expect(await tiers(held)).toEqual(all('EXTERNALLY_HELD'));
    const later = await newRun();
    expect(await tiers(later)).toEqual(all('SELF_ATTESTED'));
    expect(await tiers(held)).toEqual(all('EXTERNALLY_HELD'));
  });

  it('is not lifted by what the database’s owner can rewrite as well', async () => {
    const id = await newRun();
    await desk(fileSink(), { oneUser: true }).round();
    expect(existsSync(fileOf('llm-runs'))).toBe(true);
    expect(await tiers(id)).toEqual(all('SELF_ATTESTED'));
  });

  it('is not lifted by a row that the database’s owner wrote, nor by one of another log or another root', async () => {
    const id = await newRun();
    await attack(
      `insert into sworn.sink_confirmation (tenant_id, log, sink, size, root, outside, mac, confirmed_at)
       select tenant_id, log, 'https://sink.example/', size, root, true, sha256('forged'), now() from sworn.checkpoint where tenant_id = $1`,
    );
    expect(await tiers(id)).toEqual(all('SELF_ATTESTED'));
    await attack(`delete from sworn.sink_confirmation where tenant_id = $1`);
    await desk(fileSink()).round();
    await attack(`update sworn.sink_confirmation set size = size + 1 where tenant_id = $1`);
    expect(await tiers(id)).toEqual(all('SELF_ATTESTED'));
    await attack(`update sworn.sink_confirmation set size = size - 1, root = sha256(root) where tenant_id = $1`);
    expect(await tiers(id)).toEqual(all('SELF_ATTESTED'));
  });

  it('is lost again when the sink turns out to hold another history', async () => {
    const id = await newRun();
    await desk(fileSink()).round();
    expect(await tiers(id)).toEqual(all('EXTERNALLY_HELD'));
    const { size } = parseCheckpoint(await newestNote('llm-runs'));
    writeFileSync(fileOf('llm-runs'), `${signed('llm-runs', size, new Uint8Array(32))}\n`);
    await desk(fileSink()).round();
    expect(await tiers(id)).toEqual(all('SELF_ATTESTED'));
  });
});

interface Posted {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('a server that takes notes', () => {
  let server: Server;
  let posted: Posted[];
  let reply: (post: Posted) => {
    readonly status: number;
    readonly body?: string;
    readonly headers?: Record<string, string>;
  };
  let url: string;
  beforeEach(async () => {
    posted = [];
    reply = () => ({ status: 204 });
    server = createServer((request, response) => {
      void text(request).then((said) => {
        const post = { headers: request.headers, body: said };
        posted.push(post);
        const { status, body, headers } = reply(post);
        response.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/notes`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const ofRuns = (): Posted[] => posted.filter(({ headers }) => headers['sworn-origin'] === originOf('llm-runs'));

  it('gets the newest note of each log with the origin and its credential, and each once', async () => {
    const to = desk(url, { tokens: [`${new URL(url).host}=s3cret`] });
    await newRun();
    await newRun();
    await to.round();
    await to.round();
    expect(ofRuns()).toMatchObject([
      {
        body: await newestNote('llm-runs'),
        headers: { 'content-type': 'text/plain; charset=utf-8', authorization: 'Bearer s3cret' },
      },
    ]);
  });

  it('that fails is asked again, later and later, and gets only the newest', async () => {
    reply = () => ({ status: 503 });
    const to = desk(url, { tokens: [`${new URL(url).host}=s3cret`] });
    await newRun();
    await to.round();
    const asked = posted.length;
    await to.round();
    expect(posted.length).toBe(asked);
    await newRun();
    to.advance(5_001);
    await to.round();
    expect(posted.length).toBe(asked * 2);
    to.advance(5_001);
    await to.round();
    expect(posted.length).toBe(asked * 2);
    expect(await to.metric('sworn_checkpoint_sink_failures_total')).toBe(asked * 2);
    reply = () => ({ status: 200 });
    to.advance(5_001);
    await to.round();
    expect(ofRuns().at(-1)?.body).toBe(await newestNote('llm-runs'));
    expect(await to.metric('sworn_checkpoint_sink_confirmed_total')).toBe(asked);
    expect([to.findings, to.warned.join().includes('s3cret')]).toEqual([[], false]);
  });

  it('that points elsewhere is not followed', async () => {
    reply = () => ({ status: 307, headers: { location: '/elsewhere' } });
    await newRun();
    await desk(url).round();
    const [row] = await house.database.admin<{ n: number }>(
      `select count(*)::int as n from sworn.sink_confirmation where tenant_id = $1`,
      [tenant],
    );
    expect([row?.n, ofRuns().length]).toEqual([0, 1]);
  });

  it('may say what it holds instead: a finding when the real key signed that, nothing when it did not', async () => {
    await newRun();
    const { size, root } = parseCheckpoint(await newestNote('llm-runs'));
    const spoilt = signed('llm-runs', size, root).replace(`\n${size}\n`, `\n${size + 5}\n`);
    const answers = [
      ['', []],
      [spoilt, []],
      ['x'.repeat(100_000), []],
      [signed('llm-runs', size, new Uint8Array(32)), ['LOG_DIFFERS_FROM_SIGNED']],
      [signed('llm-runs', size + 5, new Uint8Array(32)), ['LOG_SHORTER_THAN_SIGNED']],
    ] as const;
    for (const [body, findings] of answers) {
      reply = ({ headers }) =>
        headers['sworn-origin'] === originOf('llm-runs') ? { status: 409, body } : { status: 200 };
      const to = desk(url);
      await to.round();
      expect(to.findings.map(({ finding }) => finding)).toEqual(findings);
    }
  });

  it('that does not answer is not waited for when the process ends', async () => {
    await newRun();
    const to = desk(url);
    const asked = new Promise<void>((resolve) => {
      server.removeAllListeners('request').on('request', () => resolve());
    });
    const round = to.round();
    await asked;
    const begun = performance.now();
    to.stop();
    await round;
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(to.warned).toEqual([]);
  });

  it('is given nothing that we did not sign', async () => {
    await newRun();
    await attack(
      `update sworn.checkpoint set note = regexp_replace(note, E'\\n[0-9]+\\n', E'\\n999\\n') where tenant_id = $1 and log = 'llm-runs'`,
    );
    await desk(url).round();
    expect(ofRuns()).toEqual([]);
  });
});

describe('the settings of sinks', () => {
  const read = (
    urls: string[],
    tokens: string[] = [],
  ): { readonly sinks: readonly SinkAddress[]; readonly mistakes: readonly string[] } =>
    readSinks(urls, tokens, { dataDir: '/srv/sworn', oneUser: true });

  it('name places elsewhere; what lies in the same hands is marked', () => {
    const { sinks, mistakes } = read(
      ['file:///mnt/worm/', 'https://sink.example/a', 'http://127.0.0.1:9/b', 'http://[::1]:9/'],
      ['sink.example=abc', '127.0.0.1:9=d/e+f=='],
    );
    expect(mistakes).toEqual([]);
    expect(sinks.map(({ name, outside }) => [name, outside])).toEqual([
      ['file:///mnt/worm', false],
      ['https://sink.example/a', true],
      ['http://127.0.0.1:9/b', false],
      ['http://[::1]:9/', false],
    ]);
    expect(sinks[1]).toMatchObject({ token: 'abc' });
  });

  it('are refused without repeating a secret', () => {
    const wrong = [
      'http://sink.example/',
      'https://user:s3cret@sink.example/',
      'https://sink.example/?key=s3cret',
      'file://host/x',
      'file:///',
      'file:///srv/sworn/notes',
      'ftp://x/',
      'x',
    ];
    for (const url of wrong) expect([url, read([url]).mistakes.length]).toEqual([url, 1]);
    const { mistakes } = read(
      ['https://a.example/', 'https://a.example/'],
      ['b.example=s3cret', 's3cret', 'a.example=s3 cret'],
    );
    expect(mistakes).toHaveLength(4);
    expect([...mistakes, ...wrong.flatMap((url) => read([url]).mistakes)].join()).not.toContain('s3');
  });

  it('name no file outside the directory, whatever the origin is', async () => {
    await newRun();
    await desk(fileSink()).round();
    for (const name of readdirSync(sunk)) expect(name).toMatch(/^test%2F[0-9a-f-]{36}%2F[a-z-]+\.notes$/);
    expect(noteFileName('../../etc/passwd')).toBe('..%2F..%2Fetc%2Fpasswd.notes');
  });
});
