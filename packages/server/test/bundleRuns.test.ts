import { parseRunLeaves, parseVkey, type RunBond, runLeavesText, type RunsStatement, vkeyOf } from '@sworn/evidence';
import { bytesSource, sentenceOf, type Verification, type VerificationCode, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Disclosure } from '@sworn/evidence';
import {
  archiveOf,
  edit,
  type Files,
  filesOf,
  leavesIn,
  rebag,
  rederive,
  restate,
  statementIn,
  text,
  writeLeaves,
} from './bundleForgery.js';
import { exported } from './exporting.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';
import { storedLeaves } from './tlogHouse.js';

const RUNS = 'llm-runs';
const ATTESTATION = 'attestation.dsse.json';
const MIA = 'mia@example.test';

let house: House;
let tenant: string;
/** Runs of the conversation c-1: the second is one turn over two traces, the third of another person. */
let [first, third, elsewhere, stranger] = ['', '', '', ''];
const SECOND = 'turn-2';

beforeAll(async () => {
  house = await buildHouse({ idleMs: 3_600_000 });
  tenant = await house.tenants.create({ name: 'acme' });
  [first, third, elsewhere, stranger] = [newTrace(), newTrace(), newTrace(), newTrace()];
  const turn = (conversation: string, human: string) => ({
    'gen_ai.conversation.id': conversation,
    'enduser.id': human,
  });
  await house.ingest(tenant, agentRun(stranger, turn('c-3', 'tom@example.test')));
  await house.ingest(tenant, agentRun(first, turn('c-1', MIA)));
  await house.ingest(tenant, agentRun(elsewhere, turn('c-2', MIA)));
  const [one, other] = [newTrace(), newTrace()];
  for (const traceId of [one, other])
    await house.ingest(tenant, agentRun(traceId, { ...turn('c-1', MIA), 'sworn.run.id': SECOND }), ['ingest:assert']);
  await house.ingest(tenant, agentRun(third, turn('c-1', 'tom@example.test')));
  await house.ingestLogs(tenant, otlpLogs([{ at: 25, body: 'slow', severity: 13, traceId: first }]));
  await house.seal(tenant);
  await house.ingestLogs(tenant, linked(first, 'INC-7'));
  await house.ingestLogs(tenant, linked(stranger, 'INC-7'));
  await house.ingestLogs(tenant, linked(third, 'INC-8'));
  await house.seal(tenant);
  await house.sign(tenant);
}, 120_000);
afterAll(() => house.close());

const linked = (runId: string, incident: string) =>
  otlpLogs([
    {
      at: 200,
      event: 'sworn.audit.incident.linked',
      attributes: { 'sworn.audit.run.id': runId, 'sworn.audit.incident.id': incident },
    },
  ]);

const bundleOf = (by: RunBond, value: string, disclosure: Disclosure = 'none', of = tenant) =>
  exported(house, { tenantId: of, scope: { kind: 'RUNS', by, value }, disclosure });
const pinned = () =>
  ['llm-runs', 'system', 'audit', 'access'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );
const verified = (bundle: Uint8Array): Promise<Verification> =>
  verifyBundle(bytesSource(bundle), { keys: pinned(), verify: verifyEd25519 });
const codes = ({ findings }: Verification): VerificationCode[] => [...new Set(findings.map(({ code }) => code))].sort();
const runsStated = (files: Files): RunsStatement => statementIn(files) as RunsStatement;
const runIds = (files: Files) => runsStated(files).runs.map(({ run_id }) => run_id);

describe('a bundle of several runs', () => {
  it.each<[RunBond, string, () => readonly string[]]>([
    ['CONVERSATION', 'c-1', () => [first, SECOND, third]],
    ['INCIDENT', 'INC-7', () => [stranger, first]],
    ['SUBJECT', MIA, () => [first, elsewhere, SECOND]],
  ])(
    'of one %s has its runs and no other, in the order in which they began, and is verified',
    async (by, value, of) => {
      const { bytes } = await bundleOf(by, value, 'all');
      const files = await filesOf(bytes);
      expect(runIds(files)).toEqual(of());
      expect(runsStated(files).left_out).toEqual([]);
      const found = await verified(bytes);
      expect(found.findings).toEqual([]);
      expect([found.verdict, found.attested === null]).toEqual(['VERIFIED', false]);
      expect(sentenceOf(found)).toContain('that no other run belongs to it is not proven');
    },
  );

  it('has of each run the files that its own bundle has, to the byte, and every leaf once', async () => {
    const files = await filesOf((await bundleOf('CONVERSATION', 'c-1', 'governance')).bytes);
    const all = new Set<string>();
    for (const [place, runId] of runIds(files).entries()) {
      const asked = { tenantId: tenant, scope: { kind: 'RUN', runId }, disclosure: 'governance' } as const;
      const alone = await filesOf((await exported(house, asked)).bytes);
      for (const name of ['envelope.json', 'events.csv', 'governance.json', 'replay.json', 'trace.json'])
        expect(text(files, `data/runs/${place + 1}/${name}`), name).toBe(text(alone, `data/${name}`));
      for (const [index] of leavesIn(alone, RUNS)) all.add(`${index}`);
    }
    expect(leavesIn(files, RUNS).map(([index]) => `${index}`)).toEqual([...all].sort((a, b) => Number(a) - Number(b)));
  });

  it('is the same core however often it is asked for, and says who had it', async () => {
    const [a, b] = [await bundleOf('CONVERSATION', 'c-1'), await bundleOf('CONVERSATION', 'c-1')];
    expect(b.made.exportId).toBe(a.made.exportId);
    const [one, two] = [await filesOf(a.bytes), await filesOf(b.bytes)];
    for (const name of one.keys())
      if (name !== ATTESTATION) expect(one.get(name)?.equals(two.get(name) as Buffer), name).toBe(true);
    expect(text(two, ATTESTATION)).not.toBe(text(one, ATTESTATION));
  });

  it('gives all of them back as one request of OTLP', async () => {
    const files = await filesOf((await bundleOf('CONVERSATION', 'c-1', 'all')).bytes);
    const other = await house.tenants.create({ name: 'again' });
    const body = files.get('data/spans.otlp.json') as Buffer;
    const traces = await house.ingest(other, { encoding: 'json', body }, ['ingest:assert']);
    expect(new Set(traces).size).toBe(4);
    await house.seal(other);
    const { key } = await house.keys.issue({ tenantId: other, role: 'reader' });
    const { json } = await get(house, '/api/v1/logs/llm-runs?conversation_id=c-1', key);
    expect(json.items.map((item: { run_id: string }) => item.run_id).sort()).toEqual([first, SECOND, third].sort());
  });

  it('has one report on all of them, which says what is not proven', async () => {
    const files = await filesOf((await bundleOf('CONVERSATION', 'c-1', 'all')).bytes);
    const html = text(files, 'data/report.html');
    for (const [place, runId] of runIds(files).entries()) {
      expect(html).toContain(`<h2>Run ${place + 1} of 3</h2>`);
      expect(html).toContain(runId);
    }
    expect(html).toContain('That the log has no other run of this conversation is not proven');
    expect(html).toContain('Where is my order?');
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(files.get('data/report.pdf')?.subarray(0, 5).toString()).toBe('%PDF-');
  });

  it('of a subject names him by his token, in the bundle and on record', async () => {
    const { made, bytes } = await bundleOf('SUBJECT', MIA);
    const token = await house.read.tokenOf(tenant, MIA);
    expect(made.core.statement.scope).toMatchObject({ value: token });
    expect((await bundleOf('SUBJECT', token)).made.exportId).toBe(made.exportId);
    expect(bytes.includes(MIA)).toBe(false);
    const access = await storedLeaves(house, tenant, 'access');
    expect(access.filter(({ leaf }) => Buffer.from(leaf).includes(MIA))).toEqual([]);
    expect(access.filter(({ leaf }) => Buffer.from(leaf).includes(token)).length).toBeGreaterThan(0);
  });

  it('is of nobody else, and there is none of what nobody named', async () => {
    const other = await house.tenants.create({ name: 'other' });
    await expect(bundleOf('CONVERSATION', 'c-1', 'none', other)).rejects.toMatchObject({ code: 'not_found' });
    await expect(bundleOf('CONVERSATION', 'c-99')).rejects.toMatchObject({
      code: 'not_found',
      message: 'no run of conversation c-99 is there',
    });
  });
});

describe('a run that belongs and cannot be there', () => {
  let of: string;
  let sealed: string;
  beforeEach(async () => {
    of = await house.tenants.create({ name: 'open' });
    sealed = newTrace();
    await house.ingest(of, agentRun(sealed, { 'gen_ai.conversation.id': 'c' }));
    await house.seal(of);
    await house.sign(of);
  });
  const open = async (conversation: string): Promise<string> => {
    const traceId = newTrace();
    const attributes = { 'gen_ai.conversation.id': conversation };
    const span = () => ({ traceId, spanId: newSpan(), parentSpanId: newSpan(), attributes });
    // Nothing says yet which of the two is above the other.
    await house.ingest(of, otlp([span(), span()]));
    await house.seal(of);
    await house.sign(of);
    return traceId;
  };

  it('is named, while it is open', async () => {
    const runId = await open('c');
    const files = await filesOf((await bundleOf('CONVERSATION', 'c', 'none', of)).bytes);
    expect(runIds(files)).toEqual([sealed]);
    expect(runsStated(files).left_out).toEqual([{ run_id: runId, reason: 'NOT_SEALED' }]);
    expect(text(files, 'data/report.html')).toContain(`${runId}</bdi></div></td><td><div><bdi>it was open`);
  });

  it('keeps the bundle from being made where there is no other', async () => {
    await open('d');
    await expect(bundleOf('CONVERSATION', 'd', 'none', of)).rejects.toMatchObject({ code: 'not_sealed' });
  });

  it('is named, while a link to an incident is younger than its seal, or where there is no such run', async () => {
    await house.ingestLogs(of, linked(sealed, 'I'));
    await house.seal(of);
    await house.sign(of);
    const later = newTrace();
    await house.ingest(of, agentRun(later));
    await house.seal(of);
    await house.ingestLogs(of, linked(later, 'I'));
    await house.ingestLogs(of, linked('nobody', 'I'));
    await house.sign(of);
    const files = await filesOf((await bundleOf('INCIDENT', 'I', 'none', of)).bytes);
    expect(runIds(files)).toEqual([sealed]);
    const named = [
      { run_id: later, reason: 'NOT_SEALED' },
      { run_id: 'nobody', reason: 'NOT_FOUND' },
    ] as const;
    expect(runsStated(files).left_out).toEqual(named.toSorted((a, b) => (a.run_id < b.run_id ? -1 : 1)));
  });

  it('hides from nobody: neither a row nor a leaf that was changed makes a bundle without it', async () => {
    const tampered = async (statement: string) => {
      await house.database.admin('set session_replication_role = replica');
      await house.database.admin(statement, [of]);
      await house.database.admin('set session_replication_role = origin');
    };
    await tampered(`update sworn.llm_run_records set conversation_id = 'other' where tenant_id = $1`);
    await expect(bundleOf('CONVERSATION', 'c', 'none', of)).rejects.toMatchObject({ code: 'evidence_compromised' });
    await tampered(
      `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"conversation_id":"c"', '"conversation_id":"d"')::bytea
        where tenant_id = $1 and kind in ('RUN', 'OPENED')`,
    );
    await expect(bundleOf('CONVERSATION', 'c', 'none', of)).rejects.toMatchObject({ code: 'evidence_compromised' });
    await tampered(`delete from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind in ('RUN', 'OPENED')`);
    await expect(bundleOf('CONVERSATION', 'c', 'none', of)).rejects.toMatchObject({ code: 'evidence_compromised' });
  });

  it('is in by a step alone, where its RUN leaf names more incidents than it has room for', async () => {
    const many = newTrace();
    const ids = Array.from({ length: 20 }, (_, i) => `many-${i}`);
    const sent = agentRun(many);
    const body = JSON.parse(sent.body.toString());
    body.resourceSpans[0].scopeSpans[0].spans[0].attributes.push({
      key: 'sworn.incident.ids',
      value: { arrayValue: { values: ids.map((id) => ({ stringValue: id })) } },
    });
    await house.ingest(of, { ...sent, body: Buffer.from(JSON.stringify(body)) }, ['ingest:assert']);
    await house.seal(of);
    await house.sign(of);
    const { bytes } = await bundleOf('INCIDENT', 'many-19', 'none', of);
    expect(runIds(await filesOf(bytes))).toEqual([many]);
    await expect(bundleOf('INCIDENT', 'many-20', 'none', of)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a bundle of several runs that is not what was made', () => {
  let conversation: Buffer;
  let incident: Buffer;
  let subject: Buffer;
  let files: Files;
  const hashes = new Map<string, readonly Uint8Array[]>();
  beforeAll(async () => {
    conversation = (await bundleOf('CONVERSATION', 'c-1')).bytes;
    incident = (await bundleOf('INCIDENT', 'INC-7')).bytes;
    subject = (await bundleOf('SUBJECT', MIA)).bytes;
    for (const log of ['llm-runs', 'system', 'audit'])
      hashes.set(
        log,
        (await storedLeaves(house, tenant, log)).map(({ hash }) => hash),
      );
  }, 60_000);
  beforeEach(async () => {
    files = await filesOf(conversation);
  });

  /** What is found by pinned keys once the digests agree again, and the attestation is gone. */
  const found = async (): Promise<VerificationCode[]> => {
    files.delete(ATTESTATION);
    return codes(await verified(archiveOf(rebag(files))));
  };
  /** What the attestation alone tells. */
  const attested = async (): Promise<VerificationCode[]> => codes(await verified(archiveOf(rebag(files))));
  const kindAt = (log: string, index: number): string =>
    JSON.parse(Buffer.from(leavesIn(files, log).find(([at]) => at === index)?.[1] ?? []).toString()).kind;
  const ownOf = (place: number) => parseRunLeaves(text(files, `data/runs/${place}/leaves.json`));
  const own = (place: number, change: (log: string, indexes: readonly number[]) => readonly number[]) =>
    edit(files, `data/runs/${place}/leaves.json`, () =>
      runLeavesText(
        ownOf(place)
          .map(({ log, indexes }) => ({ log, indexes: change(log, indexes) }))
          .filter(({ indexes }) => indexes.length > 0),
      ),
    );
  /** Takes a leaf out of the bundle and of the run, with proofs and files made to agree. */
  const drop = async (place: number, log: string, kind: string): Promise<void> => {
    const index = ownOf(place)
      .find((one) => one.log === log)
      ?.indexes.find((at) => kindAt(log, at) === kind);
    const kept = leavesIn(files, log).filter(([at]) => at !== index);
    own(place, (of, indexes) => (of === log ? indexes.filter((at) => at !== index) : indexes));
    writeLeaves(files, log, { hashes: hashes.get(log) ?? [], leaves: kept });
    await rederive(files);
  };
  /** The last run is neither stated nor has it files. */
  const unstate = () => {
    restate(files, (said) => ({ ...said, runs: (said as RunsStatement).runs.slice(0, -1) }));
    for (const name of files.keys()) if (name.startsWith('data/runs/3/')) files.delete(name);
  };

  it('is sound before it is changed', async () => {
    expect(await found()).toEqual([]);
  });

  it('has records of no run where one is left out of the statement', async () => {
    unstate();
    expect(await found()).toEqual(['OUT_OF_SCOPE']);
  });

  it('is told by its attestation alone where one is left out with all that is its own: nothing else could', async () => {
    const gone = new Set(ownOf(3).flatMap(({ log, indexes }) => indexes.map((index) => `${log} ${index}`)));
    for (const place of [1, 2])
      for (const { log, indexes } of ownOf(place)) for (const index of indexes) gone.delete(`${log} ${index}`);
    unstate();
    for (const log of runsStated(files).logs.map((one) => one.log)) {
      const leaves = leavesIn(files, log).filter(([index]) => !gone.has(`${log} ${index}`));
      for (const [index] of leavesIn(files, log))
        if (gone.has(`${log} ${index}`)) files.delete(`proofs/${log}/${index}.tlog-proof`);
      writeLeaves(files, log, { hashes: hashes.get(log) ?? [], leaves });
    }
    expect(await attested()).toEqual(['ATTESTATION_DIFFERS']);
    expect(await found()).toEqual([]);
  });

  it.each([
    [RUNS, 'STEP'],
    [RUNS, 'OPENED'],
    [RUNS, 'RUN'],
    ['system', 'RESOURCE'],
  ])('misses a record of %s, %s, of any of its runs', async (log, kind) => {
    for (const place of [1, 2, 3]) {
      files = await filesOf(conversation);
      await drop(place, log, kind).catch(() => undefined);
      expect(await found(), `${place}`).toContain('INCOMPLETE');
    }
  });

  it('misses the record that links an incident', async () => {
    files = await filesOf(incident);
    await drop(1, 'audit', 'AUDIT');
    expect(await found()).toContain('INCOMPLETE');
  });

  it('has a run that does not belong: of the person, of another conversation', async () => {
    files = await filesOf(subject);
    restate(
      files,
      (said) => ({ ...said, scope: { ...said.scope, by: 'CONVERSATION', value: 'c-1' } }) as RunsStatement,
    );
    expect(await found()).toEqual(['OUT_OF_SCOPE']);
    const { findings } = await verified(archiveOf(rebag(files)));
    expect(findings.map((one) => one.found)).toEqual([`run ${elsewhere}, which says another or none`]);
  });

  it('has one run’s step among another’s', async () => {
    const step = ownOf(1)
      .find(({ log }) => log === RUNS)
      ?.indexes.find((index) => kindAt(RUNS, index) === 'STEP') as number;
    own(1, (log, indexes) => (log === RUNS ? indexes.filter((index) => index !== step) : indexes));
    own(3, (log, indexes) => (log === RUNS ? [...indexes, step].sort((a, b) => a - b) : indexes));
    await rederive(files);
    const { findings } = await verified(archiveOf(rebag(files)));
    expect(findings.filter(({ code }) => code === 'INCOMPLETE')).toHaveLength(2);
  });

  it('has one run’s file in the place of another’s', async () => {
    for (const name of ['envelope.json', 'events.csv', 'governance.json', 'replay.json', 'trace.json']) {
      files = await filesOf(conversation);
      edit(files, `data/runs/1/${name}`, () => text(files, `data/runs/2/${name}`));
      expect(await found(), name).toEqual(['DERIVED_MISMATCH']);
    }
  });

  it('has its runs in another order, one twice, or one that it says is left out', async () => {
    const change = (to: (said: RunsStatement) => Partial<RunsStatement>) =>
      restate(files, (said) => ({ ...said, ...to(said as RunsStatement) }) as RunsStatement);
    change(({ runs }) => ({ runs: runs.toReversed() }));
    for (const name of ['leaves.json', 'envelope.json']) {
      const [one, three] = [text(files, `data/runs/1/${name}`), text(files, `data/runs/3/${name}`)];
      files.set(`data/runs/1/${name}`, Buffer.from(three)).set(`data/runs/3/${name}`, Buffer.from(one));
    }
    await rederive(files);
    expect(await found()).toEqual(['STATEMENT_MALFORMED']);
    files = await filesOf(conversation);
    change(({ runs }) => ({ runs: [...runs, ...runs.slice(-1)] }));
    expect(await found()).toEqual(['STATEMENT_MALFORMED']);
    files = await filesOf(conversation);
    change(({ runs }) => ({ left_out: [{ run_id: runs[0]?.run_id ?? '', reason: 'NOT_SEALED' }] }));
    expect(await found()).toEqual(['STATEMENT_MALFORMED']);
  });

  it('says that nothing else belongs, which it cannot know', async () => {
    edit(files, 'data/statement.json', (before) => before.replace('NOT_PROVEN', 'PROVEN'));
    expect(await found()).toEqual(['STATEMENT_MALFORMED']);
  });

  it('has a list of leaves in another spelling, or of leaves that are not there', async () => {
    edit(files, 'data/runs/2/leaves.json', (before) => before.replace(':[[', ': [['));
    expect(await found()).toEqual(['FILE_MALFORMED']);
    files = await filesOf(conversation);
    own(2, (log, indexes) => (log === RUNS ? [...indexes, 90_000] : indexes));
    expect(await found()).toEqual(['INCOMPLETE']);
  });

  it('is handed out as what was made for another conversation', async () => {
    files.set(ATTESTATION, (await filesOf(subject)).get(ATTESTATION) as Buffer);
    expect(codes(await verified(archiveOf(files)))).toEqual(['ATTESTATION_DIFFERS']);
  });
});
