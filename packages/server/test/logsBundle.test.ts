import {
  decodeLeaf,
  drawSample,
  hex,
  leafHash,
  type LogsStatement,
  parseCheckpoint,
  parseVkey,
  parseWithheld,
  rangeText,
  rootsOf,
  statementText,
  subtreesBeside,
  vkeyOf,
  withheldText,
} from '@sworn/evidence';
import { bytesSource, type Verification, verifyBundle } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveOf, type Files, filesOf, nodesOf, rebag, statementIn, text } from './bundleForgery.js';
import { exported } from './exporting.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';
import { storedLeaves } from './tlogHouse.js';

const NONCE = 'chosen-after-the-roots-1';
const FAR = { from: '2000-01-01T00:00:00.000000Z', to: '2999-01-01T00:00:00.000000Z' } as const;

let house: House;
let tenant: string;
/** `recorded_at` of leaf 3 and leaf 9 of `system`: a period with leaves before and after it. */
let period: { readonly from: string; readonly to: string };

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  for (let batch = 0; batch < 12; batch++) await line(`line ${batch}`);
  await house.sign(tenant);
  const leaves = (await storedLeaves(house, tenant, 'system')).map(({ leaf }) => decodeLeaf(leaf).recordedAt);
  period = { from: leaves[3] as string, to: leaves[9] as string };
}, 60_000);
afterAll(() => house.close());

async function line(body: string): Promise<void> {
  await house.ingestLogs(tenant, otlpLogs([{ body }]));
}

const keys = () =>
  ['system', 'audit', 'access', 'control', 'llm-runs'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );
const verified = (bundle: Uint8Array, older: Uint8Array | null = null): Promise<Verification> =>
  verifyBundle(
    bytesSource(bundle),
    { keys: keys(), verify: verifyEd25519 },
    older === null ? null : bytesSource(older),
  );
const codesOf = ({ findings }: Verification) => [...new Set(findings.map(({ code }) => code))].sort();

function logsOf(
  logs: 'audit' | 'compliance' | 'system',
  { from, to }: { readonly from: string; readonly to: string },
  sample: LogsStatement['scope']['sample'] = null,
) {
  const scope = { kind: 'LOGS', logs, from, to, sample } as const;
  return { tenantId: tenant, scope, disclosure: 'none' } as const;
}

const logsStatementIn = (files: Files) => statementIn(files) as LogsStatement;

describe('a bundle of logs in a period', () => {
  it('has every record of the period, and is verified by a stranger', async () => {
    const { bytes } = await exported(house, logsOf('system', period));
    const found = await verified(bytes);
    expect(found.findings).toEqual([]);
    expect(found.verdict).toBe('VERIFIED');
    const files = await filesOf(bytes);
    const leaves = (await storedLeaves(house, tenant, 'system')).map(({ leaf }) => leaf.toString());
    const inside = leaves.filter((leaf) => {
      const { recordedAt } = decodeLeaf(Buffer.from(leaf));
      return recordedAt >= period.from && recordedAt < period.to;
    });
    expect(text(files, 'data/records/system.ndjson')).toBe(inside.map((leaf) => `${leaf}\n`).join(''));
    expect(text(files, 'data/events.csv').split('\r\n')).toHaveLength(inside.length + 2);
    expect(inside.length).toBeGreaterThan(1);
  });

  it('is the same core however much is recorded later', async () => {
    const first = await exported(house, logsOf('system', period));
    await line('later');
    await house.sign(tenant);
    const second = await exported(house, logsOf('system', period));
    expect([second.made.exportId, second.made.core.manifest]).toEqual([first.made.exportId, first.made.core.manifest]);
  });

  it('that no later record closes says up to where it is complete, and is made again as of then', async () => {
    const first = await exported(house, logsOf('system', FAR));
    await line('later still');
    await house.sign(tenant);
    const second = await exported(house, logsOf('system', FAR));
    expect(second.made.exportId).not.toBe(first.made.exportId);
    const again = await exported(house, {
      tenantId: tenant,
      asOf: first.made.exportId,
      disclosure: null,
      sample: null,
    });
    expect([again.made.exportId, again.made.core.manifest]).toEqual([first.made.exportId, first.made.core.manifest]);
    expect(logsStatementIn(await filesOf(again.bytes)).complete_by).toMatchObject([{ after: null }]);
    expect(await verified(again.bytes)).toMatchObject({ verdict: 'VERIFIED', findings: [] });
  });

  it('of a period in which nothing was recorded proves that', async () => {
    const empty = { from: '2000-01-01T00:00:00.000000Z', to: '2000-01-02T00:00:00.000000Z' };
    const { bytes } = await exported(house, logsOf('system', empty));
    expect(await verified(bytes)).toMatchObject({ verdict: 'VERIFIED', findings: [], logs: [{ shown: 0 }] });
  });

  it('of compliance is of what was decided, who looked and what the administration did; a log without checkpoint is named', async () => {
    const { bytes } = await exported(house, logsOf('compliance', FAR));
    const found = await verified(bytes);
    expect(found.findings).toEqual([]);
    const { logs, uncovered } = found.statement as LogsStatement;
    expect([...logs.map(({ log }) => log), ...uncovered].toSorted()).toEqual(['access', 'audit', 'control']);
    expect(uncovered).toEqual(['audit']);
  });

  it('has a report to read: its records in the order of time over all logs, and how it is known that they are all', async () => {
    const { bytes } = await exported(house, logsOf('compliance', FAR));
    const files = await filesOf(bytes);
    const page = text(files, 'data/report.html');
    const leaves = ['access', 'control'].flatMap((log) =>
      text(files, `data/records/${log}.ndjson`)
        .trimEnd()
        .split('\n')
        .map((line) => Buffer.from(line)),
    );
    const inTime = leaves.toSorted((a, b) => (decodeLeaf(a).recordedAt < decodeLeaf(b).recordedAt ? -1 : 1));
    const table = page.slice(page.indexOf('<h2>What was recorded</h2>'), page.indexOf('<h2>What is not shown</h2>'));
    expect(table.match(/[0-9a-f]{64}/g)).toEqual(inTime.map((leaf) => hex(leafHash(leaf))));
    expect(page).toContain('none yet: complete up to the checkpoint');
    expect(page).toContain('no checkpoint covered a record of them: audit.');
    expect(files.get('data/report.pdf')?.subarray(0, 5).toString()).toBe('%PDF-');
    const { notEvidence } = await verified(bytes);
    expect(notEvidence).toEqual(expect.arrayContaining(['data/report.html', 'data/report.pdf']));
  });

  it('has a report of a sample that says how it was drawn, and shows no other record', async () => {
    const { bytes } = await exported(house, logsOf('system', period, { size: 2, nonce: 'of-the-report-alone-1' }));
    const page = text(await filesOf(bytes), 'data/report.html');
    const table = page.slice(page.indexOf('<h2>What was recorded</h2>'), page.indexOf('<h2>What is not shown</h2>'));
    expect(table.match(/[0-9a-f]{64}/g)).toHaveLength(2);
    expect(page).toContain('of-the-report-alone-1');
    expect(page).toContain('Whoever made this bundle could not choose them');
  });

  it('discloses contents with what proves them', async () => {
    for (const logs of ['system', 'compliance'] as const) {
      const { bytes } = await exported(house, { ...logsOf(logs, FAR), disclosure: 'all' });
      const found = await verified(bytes);
      expect(found.findings, logs).toEqual([]);
    }
  });

  it('stands in the list of exports with its scope', async () => {
    const { made } = await exported(house, logsOf('system', period, { size: 2, nonce: NONCE }));
    const { key } = await house.keys.issue({ tenantId: tenant, role: 'auditor' });
    const { items } = (await get(house, '/api/v1/logs/audit/exports', key)).json;
    const [item] = items.filter((one: { export_id: string }) => one.export_id === made.exportId);
    const sample = { size: 2, nonce: NONCE };
    expect(item).toMatchObject({ scope: { kind: 'LOGS', logs: 'system', ...period, sample }, downloads: 1 });
  });

  it('is refused where there is no period, no checkpoint, or no export to make again', async () => {
    const refusalOf = (asked: Parameters<typeof exported>[1]) =>
      exported(house, asked).then(
        () => null,
        ({ code }: { readonly code: string }) => code,
      );
    expect(await refusalOf(logsOf('system', { from: period.to, to: period.from }))).toBe('invalid_parameter');
    expect(await refusalOf(logsOf('system', period, { size: 1, nonce: 'short' }))).toBe('invalid_parameter');
    expect(await refusalOf(logsOf('audit', FAR))).toBe('not_covered');
    expect(await refusalOf({ tenantId: tenant, asOf: 'exp_0', disclosure: null, sample: null })).toBe('unknown_export');
  });
});

describe('a sample', () => {
  it('shows those that the nonce draws, and the others as bare hashes; held against what was fixed before', async () => {
    const fixed = await exported(house, logsOf('system', period, { size: 0, nonce: null }));
    expect(await verified(fixed.bytes)).toMatchObject({ verdict: 'VERIFIED', logs: [{ shown: 0 }] });
    await line('after it was fixed');
    await house.sign(tenant);
    const sample = { size: 3, nonce: NONCE };
    const drawn = await exported(house, { tenantId: tenant, asOf: fixed.made.exportId, disclosure: null, sample });
    expect(await verified(drawn.bytes, fixed.bytes)).toMatchObject({ verdict: 'VERIFIED', findings: [] });
    const files = await filesOf(drawn.bytes);
    const { root } = parseCheckpoint(text(files, 'proofs/system/checkpoint'));
    const { complete_by, population } = logsStatementIn(files);
    const [{ first } = { first: 0 }] = complete_by;
    const leaves = await storedLeaves(house, tenant, 'system');
    const all = leaves
      .slice(first, first + population)
      .map(({ hash }, at) => ({ log: 'system', index: first + at, root, leafHash: hash }));
    const expected = drawSample(all, sample).get('system') ?? new Set();
    expect(parseWithheld(text(files, 'proofs/system/withheld.json')).indexes).toEqual(
      all.map(({ index }) => index).filter((index) => !expected.has(index)),
    );
    expect(expected.size).toBe(3);
  });

  it('of more than there are shows all', async () => {
    const { bytes } = await exported(house, logsOf('system', period, { size: 900, nonce: NONCE }));
    expect(await verified(bytes)).toMatchObject({ verdict: 'VERIFIED', logs: [{ withheld: 0 }] });
  });

  it('of other roots than were fixed is found', async () => {
    const fixed = await exported(house, logsOf('system', FAR, { size: 0, nonce: null }));
    await line('steering');
    await house.sign(tenant);
    const { bytes } = await exported(house, logsOf('system', FAR, { size: 2, nonce: NONCE }));
    expect(codesOf(await verified(bytes, fixed.bytes))).toEqual(['SAMPLE_MISMATCH']);
  });
});

describe('a run as of an earlier export', () => {
  it('is the bundle of then, also when the run was sealed anew', async () => {
    const run = newTrace();
    await house.ingest(tenant, agentRun(run));
    await house.seal(tenant);
    await house.sign(tenant);
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'all' } as const;
    const first = await exported(house, asked);
    await house.ingest(tenant, otlp([{ traceId: run, spanId: newSpan(), start: 50, end: 60 }]));
    await house.seal(tenant);
    await house.sign(tenant);
    const second = await exported(house, asked);
    expect(second.made.core.manifest).not.toBe(first.made.core.manifest);
    const again = await exported(house, {
      tenantId: tenant,
      asOf: first.made.exportId,
      disclosure: null,
      sample: null,
    });
    expect([again.made.exportId, again.made.core.manifest]).toEqual([first.made.exportId, first.made.core.manifest]);
  });
});

/** Whoever has all the leaves, the files and a bag, but not the key of the log. */
describe('of a bundle of logs', () => {
  let files: Files;
  /** What `told` begins with each time. */
  let base: Buffer;
  let whole: Buffer;
  let drawn: Buffer;
  let leaves: readonly { readonly leaf: Buffer; readonly hash: Buffer }[];

  beforeAll(async () => {
    whole = (await exported(house, logsOf('system', period))).bytes;
    drawn = (await exported(house, logsOf('system', period, { size: 3, nonce: NONCE }))).bytes;
    leaves = await storedLeaves(house, tenant, 'system');
  });
  beforeEach(async () => {
    base = whole;
    files = await filesOf(base);
  });

  interface Told {
    readonly shown: readonly number[];
    readonly withheld?: readonly number[];
    readonly boundary: readonly number[];
    readonly by?: Partial<LogsStatement['complete_by'][number]>;
    readonly scope?: Partial<LogsStatement['scope']>;
    readonly population?: number;
  }

  /** Writes these leaves with their proof, and what the statement then says; what is found once the digests agree again. */
  async function told({ shown, withheld = [], boundary, by = {}, scope = {}, population }: Told) {
    files = await filesOf(base);
    const before = logsStatementIn(files);
    const [pinned, range] = [before.logs[0], before.complete_by[0]];
    if (pinned === undefined || range === undefined) throw new Error('it has no log');
    const { size } = pinned;
    const indexes = [...shown, ...withheld, ...boundary].toSorted((a, b) => a - b);
    const hashes = leaves.map(({ hash }) => hash);
    const path = rootsOf(subtreesBeside(indexes, size), nodesOf(hashes.slice(0, size)));
    const linesOf = (some: readonly number[]) =>
      Buffer.concat(some.flatMap((index) => [leaves[index]?.leaf ?? Buffer.of(), Buffer.from('\n')]));
    files.set('proofs/system/range.json', Buffer.from([...rangeText({ log: 'system', size, indexes, path })].join('')));
    files.set('data/records/system.ndjson', linesOf(shown));
    files.set('proofs/system/boundary.ndjson', linesOf(boundary));
    files.delete('proofs/system/withheld.json');
    const bare = withheld.map((index) => hashes[index] as Buffer);
    if (withheld.length > 0)
      files.set(
        'proofs/system/withheld.json',
        Buffer.from([...withheldText({ log: 'system', size, indexes: withheld, hashes: bare })].join('')),
      );
    const count = shown.length + withheld.length;
    const bodies = shown.reduce((sum, index) => sum + bodiesOf(leaves[index]?.leaf), 0);
    const now: LogsStatement = {
      ...before,
      scope: { ...before.scope, ...scope },
      logs: [{ ...pinned, shown: shown.length, withheld: withheld.length, undisclosed: bodies }],
      complete_by: [{ ...range, count, ...by }],
      population: population ?? count,
    };
    files.set('data/statement.json', Buffer.from(statementText(now)));
    return found();
  }

  const bodiesOf = (leaf: Uint8Array = Buffer.of()) => Object.keys(decodeLeaf(leaf).c ?? {}).length;

  async function found() {
    files.delete('attestation.dsse.json');
    for (const name of files.keys()) if (name.endsWith('.tlog-proof')) files.delete(name);
    const codes = codesOf(await verified(archiveOf(rebag(files))));
    // Made of the records by whoever changes them: that it is not anew here is found as well, and says nothing of them.
    return codes.filter((code) => code !== 'DERIVED_MISMATCH');
  }

  function placed() {
    const [range] = logsStatementIn(files).complete_by;
    if (range?.before == null || range.after === null) throw new Error('the period lies at an end of the log');
    const all = Array.from({ length: range.count }, (_, at) => range.first + at);
    return { ...range, before: range.before, after: range.after, all };
  }

  it('nothing is found as it was made, nor once it was taken apart and put together', async () => {
    const { all, before, after } = placed();
    expect(await told({ shown: all, boundary: [before, after] })).toEqual([]);
  });

  it('a record that is left out is missed, in the middle and at either end', async () => {
    const { all, before, after } = placed();
    expect(await told({ shown: all.toSpliced(1, 1), boundary: [before, after], by: { count: all.length } })).toContain(
      'INCOMPLETE',
    );
    expect(await told({ shown: all.toSpliced(1, 1), boundary: [before, after] })).toContain('INCOMPLETE');
    const last = after - 1;
    expect(await told({ shown: all.slice(0, -1), boundary: [before, last], by: { after: last } })).toEqual([
      'PERIOD_MISMATCH',
    ]);
    const first = before + 1;
    expect(
      await told({ shown: all.slice(1), boundary: [first, after], by: { before: first, first: first + 1 } }),
    ).toEqual(['PERIOD_MISMATCH']);
  });

  it('a leaf beside it that is another, or is gone, is found', async () => {
    const { all, before, after } = placed();
    expect(await told({ shown: all, boundary: [before - 1, after], by: { before: before - 1 } })).toContain(
      'INCOMPLETE',
    );
    expect(await told({ shown: all, boundary: [before, after + 1], by: { after: after + 1 } })).toContain('INCOMPLETE');
    expect(await told({ shown: all, boundary: [before], by: { after: null } })).toContain('INCOMPLETE');
    await told({ shown: all, boundary: [before, after] });
    files.delete('proofs/system/boundary.ndjson');
    expect(await found()).toContain('FILE_MISSING');
    files.set('proofs/system/boundary.ndjson', Buffer.from(`${leaves[before]?.leaf.toString()}\n`));
    expect(await found()).toContain('RECORD_COUNT');
  });

  it('another period is found where records lie beyond it, or leaves beside it within', async () => {
    const { all, before, after } = placed();
    const same = { shown: all, boundary: [before, after] };
    const timeOf = (index: number) => decodeLeaf(leaves[index]?.leaf ?? Buffer.of()).recordedAt;
    expect(await told({ ...same, scope: { from: timeOf(before) } })).toEqual(['PERIOD_MISMATCH']);
    expect(await told({ ...same, scope: { to: FAR.to } })).toEqual(['PERIOD_MISMATCH']);
    expect(await told({ ...same, scope: { to: timeOf(after - 1) } })).toEqual(['PERIOD_MISMATCH']);
    expect(await told({ ...same, scope: { logs: 'audit' } })).toEqual(['INCOMPLETE']);
  });

  it('a count that is another is found', async () => {
    const { all, before, after } = placed();
    const same = { shown: all, boundary: [before, after] };
    expect(await told({ ...same, population: all.length + 1 })).toEqual(['COUNT_MISMATCH']);
    expect(await told({ ...same, by: { count: all.length + 1 } })).toContain('INCOMPLETE');
  });

  it('a record that is withheld and not drawn away is counted, and its hash is the one in the tree', async () => {
    const { all, before, after } = placed();
    const [hidden = 0, ...shown] = all;
    expect(await told({ shown, withheld: [hidden], boundary: [before, after] })).toEqual([]);
    const name = 'proofs/system/withheld.json';
    const other = leafHash(Buffer.from('{}'));
    files.set(
      name,
      Buffer.from(
        [
          ...withheldText({
            log: 'system',
            size: logsStatementIn(files).logs[0]?.size ?? 0,
            indexes: [hidden],
            hashes: [other],
          }),
        ].join(''),
      ),
    );
    expect(await found()).toEqual(['NOT_UNDER_CHECKPOINT']);
    files.delete(name);
    expect(await found()).toContain('FILE_MISSING');
    expect(hex(other)).not.toBe(leaves[hidden]?.hash.toString('hex'));
  });

  it('a sample that was steered is found: another leaf, fewer, another nonce', async () => {
    base = drawn;
    files = await filesOf(base);
    const { all, before, after } = placed();
    const withheld = [...parseWithheld(text(files, 'proofs/system/withheld.json')).indexes];
    const shown = all.filter((index) => !withheld.includes(index));
    const boundary = [before, after];
    expect(await told({ shown, withheld, boundary })).toEqual([]);
    const [inn = 0, out = 0] = [withheld[0], shown[0]];
    const swap = (some: readonly number[], gone: number, come: number) =>
      [...some.filter((index) => index !== gone), come].toSorted((a, b) => a - b);
    expect(await told({ shown: swap(shown, out, inn), withheld: swap(withheld, inn, out), boundary })).toEqual([
      'SAMPLE_MISMATCH',
    ]);
    expect(await told({ shown: shown.slice(1), withheld: swap(withheld, -1, out), boundary })).toEqual([
      'SAMPLE_MISMATCH',
    ]);
    // Of few records another nonce draws the same ones now and then.
    const others = [];
    for (let n = 0; n < 8; n++)
      others.push(
        ...(await told({ shown, withheld, boundary, scope: { sample: { size: 3, nonce: `${NONCE}${n}` } } })),
      );
    expect(new Set(others)).toEqual(new Set(['SAMPLE_MISMATCH']));
    expect(await told({ shown, withheld, boundary, scope: { sample: { size: 2, nonce: NONCE } } })).toEqual([
      'SAMPLE_MISMATCH',
    ]);
  });

  it('the attestation is of this scope, and of these sizes', async () => {
    const other = await filesOf(drawn);
    files.set('attestation.dsse.json', other.get('attestation.dsse.json') as Buffer);
    expect(codesOf(await verified(archiveOf(files)))).toEqual(['ATTESTATION_DIFFERS']);
  });
});
