import {
  attestationText,
  decodeLeaf,
  leafHash,
  parseAttestation,
  parseVkey,
  type RunStatement,
  vkeyOf,
} from '@sworn/evidence';
import { bytesSource, verifyBundle, type Verification, type VerificationCode } from '@sworn/verifier';
import { verifyEd25519 } from '@sworn/verifier/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  archiveOf,
  edit,
  type Files,
  filesOf,
  foreignKey,
  leavesIn,
  linesIn,
  type PlacedLeaf,
  plant,
  rebag,
  rederive,
  remanifest,
  restate,
  signAll,
  signTree,
  statementIn,
  text,
  writeLeaves,
} from './bundleForgery.js';
import { exported } from './exporting.js';
import { buildHouse, type House } from './facadeHouse.js';
import { otlpLogs } from './facadeLogs.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';
import { storedLeaves } from './tlogHouse.js';

const RUNS = 'llm-runs';
const ATTESTATION = 'attestation.dsse.json';
/** Whose every change of digests is taken for what it is only by the attestation. */
const NOT_EVIDENCE = ['VERIFY.md', 'bag-info.txt', 'data/report.html', 'data/report.pdf', 'data/spans.otlp.json'];

let house: House;
let tenant: string;
let run: string;
/** As it was before a late step came: of the older revision. */
let older: Buffer;
let honest: Buffer;
let undisclosed: Buffer;
/** Hashes and bytes of every leaf of the tenant, by log. */
const hashes = new Map<string, readonly Uint8Array[]>();
const leaves = new Map<string, readonly Uint8Array[]>();
let files: Files;

beforeAll(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  const other = newTrace();
  run = newTrace();
  const sent = agentRun(run);
  const root = newSpan();
  await house.ingest(tenant, agentRun(other));
  await house.ingest(tenant, sent);
  await house.ingest(tenant, { ...sent, body: Buffer.from(sent.body.toString().replaceAll('gpt-4o', 'gpt-4x')) });
  const guard = { 'gen_ai.guardrail.name': 'pii', 'gen_ai.guardrail.status': 'FAILED' };
  await house.ingest(tenant, otlp([{ traceId: run, spanId: root, start: 20, end: 30, attributes: guard }]));
  await house.ingest(
    tenant,
    otlp([
      {
        traceId: run,
        spanId: newSpan(),
        start: 31,
        end: 40,
        attributes: { ...guard, 'gen_ai.guardrail.status': 'PASSED' },
      },
    ]),
  );
  await house.ingestLogs(tenant, otlpLogs([{ at: 25, body: 'slow', severity: 13, traceId: run, spanId: root }]));
  await house.seal(tenant);
  await house.sign(tenant);
  const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'all' } as const;
  older = (await exported(house, asked)).bytes;
  await house.ingest(tenant, otlp([{ traceId: run, spanId: newSpan(), start: 50, end: 60 }]));
  await house.seal(tenant);
  await house.sign(tenant);
  honest = (await exported(house, asked)).bytes;
  undisclosed = (await exported(house, { ...asked, disclosure: 'none' })).bytes;
  for (const log of ['llm-runs', 'system', 'audit']) {
    const stored = await storedLeaves(house, tenant, log);
    hashes.set(
      log,
      stored.map(({ hash }) => hash),
    );
    leaves.set(
      log,
      stored.map(({ leaf }) => leaf),
    );
  }
}, 120_000);
beforeEach(async () => {
  files = await filesOf(honest);
});
afterAll(() => house.close());

const pinned = () =>
  ['llm-runs', 'system', 'audit', 'access'].map((log) =>
    parseVkey(vkeyOf(house.read.originOf(tenant, log), house.keyStore.noteSigner.publicKey)),
  );
const verified = (bundle: Uint8Array, keys = pinned(), before: Uint8Array | null = null): Promise<Verification> =>
  verifyBundle(bytesSource(bundle), { keys, verify: verifyEd25519 }, before === null ? null : bytesSource(before));
const codes = ({ findings }: Verification): VerificationCode[] => [...new Set(findings.map(({ code }) => code))].sort();
const hashesOf = (log: string) => hashes.get(log) ?? [];

/** What is found by pinned keys once the digests agree again and the attestation, which every change contradicts, is gone. */
async function found(): Promise<VerificationCode[]> {
  files.delete(ATTESTATION);
  return codes(await verified(archiveOf(rebag(files))));
}

/** Its records of a log are now these, proven, counted, and with everything made of them made anew. */
async function tell(log: string, now: readonly PlacedLeaf[]): Promise<void> {
  writeLeaves(files, log, { hashes: hashesOf(log), leaves: now });
  await rederive(files).catch(() => undefined);
}
const kindOf = ([, bytes]: PlacedLeaf): string => decodeLeaf(bytes).kind;
const first = (log: string, kind: string): PlacedLeaf => {
  const leaf = leavesIn(files, log).find((one) => kindOf(one) === kind);
  if (leaf === undefined) throw new Error(`no ${kind} in ${log}`);
  return leaf;
};
const without = (log: string, leaf: PlacedLeaf): PlacedLeaf[] =>
  leavesIn(files, log).filter(([index]) => index !== leaf[0]);

/** Where bytes are changed: everywhere in a small file, else at every n-th place and at all line ends. */
function places(bytes: Buffer): number[] {
  const step = bytes.length <= 300 ? 1 : Math.ceil(bytes.length / 60) | 1;
  if (bytes.length === 0) return [];
  const ends: number[] = [];
  for (let at = bytes.indexOf(10); at >= 0 && ends.length < 60; at = bytes.indexOf(10, at + 1)) ends.push(at);
  const all = Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => i * step);
  return [...new Set([...all, ...ends, bytes.length - 1])];
}

describe('the bundle that is changed here', () => {
  it('is sound, attested, and has a record of every kind that matters', async () => {
    const { verdict, attested } = await verified(honest);
    expect([verdict, attested === null]).toEqual(['VERIFIED', false]);
    const kinds = [...new Set(['audit', RUNS, 'system'].flatMap((log) => leavesIn(files, log).map(kindOf)))];
    expect(kinds).toEqual(expect.arrayContaining(['OPENED', 'STEP', 'CONFLICT', 'RUN', 'RESOURCE']));
    expect(leavesIn(files, 'audit').length).toBeGreaterThan(1);
    expect(linesIn(files, 'data/disclosures/llm-runs.ndjson').length).toBeGreaterThan(1);
    expect(await found()).toEqual([]);
  });
});

describe('a changed byte', () => {
  it('of any file is found by the digests, with nothing else changed', async () => {
    for (const name of [...files.keys()].filter((one) => one !== ATTESTATION && files.get(one)?.length !== 0)) {
      const changed = Buffer.from(files.get(name) as Buffer);
      changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
      expect(codes(await verified(archiveOf(new Map(files).set(name, changed)))), name).toEqual(
        expect.arrayContaining([expect.stringMatching(/^BAG_/)]),
      );
    }
  });

  it('of any file but the statement, which is told first, is found by the attestation, with the manifests made anew', async () => {
    for (const name of [...files.keys()].filter((one) => !/manifest|statement/.test(one) && one !== ATTESTATION)) {
      const changed = new Map(files).set(name, Buffer.concat([files.get(name) as Buffer, Buffer.from(' ')]));
      expect(codes(await verified(archiveOf(rebag(changed)))), name).toContain('ATTESTATION_DIFFERS');
    }
  });

  it('of evidence is found in itself, with the manifests made anew and no attestation', {
    timeout: 300_000,
  }, async () => {
    files.delete(ATTESTATION);
    const unseen: string[] = [];
    for (const [name, bytes] of files) {
      if (NOT_EVIDENCE.includes(name)) continue;
      for (const at of places(bytes)) {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ (1 << (at % 8));
        const forged = new Map(files).set(name, changed);
        if (!/manifest/.test(name)) remanifest(forged);
        if ((await verified(archiveOf(forged))).findings.length === 0) unseen.push(`${name} ${at}`);
      }
    }
    expect(unseen).toEqual([]);
  });

  it('of the attestation is found', { timeout: 120_000 }, async () => {
    const bytes = files.get(ATTESTATION) as Buffer;
    for (const at of places(bytes)) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      const found = codes(await verified(archiveOf(new Map(files).set(ATTESTATION, changed))));
      expect(found.length, `${at}`).toBeGreaterThan(0);
    }
  });

  it('of what is no evidence is seen by nobody without an attestation', async () => {
    for (const name of NOT_EVIDENCE.filter((one) => one !== 'bag-info.txt' && files.has(one))) {
      const changed = new Map(files).set(name, Buffer.from('something else\n'));
      changed.delete(ATTESTATION);
      const { verdict, notEvidence } = await verified(archiveOf(rebag(changed)));
      expect([verdict, notEvidence.includes(name)], name).toEqual(['VERIFIED', true]);
    }
  });

  it('more or fewer at the end of evidence is found', { timeout: 120_000 }, async () => {
    files.delete(ATTESTATION);
    for (const [name, bytes] of files) {
      if (NOT_EVIDENCE.includes(name)) continue;
      for (const end of ['\n', ' ', '#', '\0']) {
        const longer = new Map(files).set(name, Buffer.concat([bytes, Buffer.from(end)]));
        if (!/manifest/.test(name)) rebag(longer);
        expect(codes(await verified(archiveOf(longer))), `${name} and ${JSON.stringify(end)}`).not.toEqual([]);
      }
      if (bytes.length === 0) continue;
      const shorter = new Map(files).set(name, bytes.subarray(0, -1));
      if (!/manifest/.test(name)) rebag(shorter);
      expect(codes(await verified(archiveOf(shorter))), name).not.toEqual([]);
    }
  });
});

describe('a file', () => {
  const MAY_BE_ABSENT = /^data\/(report\.html|report\.pdf|spans\.otlp\.json)$|^proofs\/audit\/\d+\.tlog-proof$/;

  it('that is gone is missed, all but those that may be', async () => {
    files.delete(ATTESTATION);
    for (const name of files.keys()) {
      const fewer = new Map(files);
      fewer.delete(name);
      if (!/manifest/.test(name)) rebag(fewer);
      const expected = MAY_BE_ABSENT.test(name)
        ? []
        : expect.arrayContaining([expect.stringMatching(/^(FILE|BAG)_MISSING$/)]);
      expect(codes(await verified(archiveOf(fewer))), name).toEqual(expected);
    }
  });

  it('of another name, twice, or more than there are is unexpected', async () => {
    files.delete(ATTESTATION);
    for (const [name, bytes] of files) {
      for (const isMoved of [true, false]) {
        const renamed = new Map(files).set(`${name}.old`, bytes);
        if (isMoved) renamed.delete(name);
        const isManifest = /manifest/.test(name);
        if (!isManifest) rebag(renamed);
        expect(codes(await verified(archiveOf(renamed))), name).toEqual(
          expect.arrayContaining([expect.stringMatching(/^FILE_(UNEXPECTED|MISSING)$/)]),
        );
      }
    }
    for (const name of ['data/more', 'more', 'data/records/control.ndjson', 'proofs/audit/more', 'trust/more']) {
      const more = new Map(files).set(name, Buffer.from('more\n'));
      expect(codes(await verified(archiveOf(rebag(more)))), name).toEqual(['FILE_UNEXPECTED']);
    }
  });
});

describe('a record', () => {
  it.each(['audit', 'llm-runs', 'system'])('of %s in the place of another is found', async (log) => {
    edit(files, `data/records/${log}.ndjson`, (before) => {
      const lines = before.split('\n').slice(0, -1);
      if (lines.length < 2) return `${before} `;
      return `${[lines[1], lines[0], ...lines.slice(2)].join('\n')}\n`;
    });
    expect(await found()).toEqual(expect.arrayContaining([expect.stringMatching(/^(NOT_UNDER_CHECKPOINT|RECORD_)/)]));
  });

  it.each([
    [RUNS, 'STEP', 'INCOMPLETE'],
    [RUNS, 'RUN', 'INCOMPLETE'],
    [RUNS, 'OPENED', 'INCOMPLETE'],
    [RUNS, 'CONFLICT', 'INCOMPLETE'],
    ['system', 'RESOURCE', 'INCOMPLETE'],
  ])('of %s, %s, that is dropped is missed, with proof, counts and files made to agree', async (log, kind, code) => {
    await tell(log, without(log, first(log, kind)));
    expect(await found()).toContain(code);
  });

  it('is missed where an event of audit is dropped, whichever', async () => {
    for (const [index] of leavesIn(files, 'audit')) {
      files = await filesOf(honest);
      await tell(
        'audit',
        leavesIn(files, 'audit').filter(([other]) => other !== index),
      );
      expect(await found(), `${index}`).toContain('INCOMPLETE');
    }
  });

  it('of another run does not belong to it, of whatever kind', async () => {
    const mine = new Set(leavesIn(files, RUNS).map(([index]) => index));
    const theirs = (leaves.get(RUNS) ?? []).flatMap((bytes, index): PlacedLeaf[] =>
      mine.has(index) ? [] : [[index, bytes]],
    );
    const { size } = statementIn(files).logs.find(({ log }) => log === RUNS) ?? { size: 0 };
    for (const leaf of theirs.filter(([index]) => index < size)) {
      files = await filesOf(honest);
      await tell(
        RUNS,
        [...leavesIn(files, RUNS), leaf].sort(([a], [b]) => a - b),
      );
      expect(await found(), kindOf(leaf)).toContain('INCOMPLETE');
    }
  });

  it('of an older revision is not the newest', async () => {
    const [index, bytes] = first(RUNS, 'RUN');
    const checksum = `sha256:${Buffer.from(leafHash(bytes)).toString('hex')}`;
    restate(files, (said) => ({ ...(said as RunStatement), complete_by: { log: RUNS, leaf_index: index, checksum } }));
    expect(await found()).toContain('INCOMPLETE');
  });

  it('of an older revision does not stand for a run that got longer since', async () => {
    const newest = (statementIn(files) as RunStatement).complete_by.leaf_index;
    const [index, bytes] = first(RUNS, 'RUN');
    const checksum = `sha256:${Buffer.from(leafHash(bytes)).toString('hex')}`;
    await tell(
      RUNS,
      leavesIn(files, RUNS).filter(([other]) => other !== newest),
    );
    restate(files, (said) => ({ ...(said as RunStatement), complete_by: { log: RUNS, leaf_index: index, checksum } }));
    await rederive(files);
    expect(await found()).toContain('INCOMPLETE');
  });
});

describe('false JSON under a real signature', () => {
  const changed = (leaf: PlacedLeaf, change: (before: string) => string): PlacedLeaf => [
    leaf[0],
    Buffer.from(change(Buffer.from(leaf[1]).toString()), 'utf8'),
  ];

  it.each([
    ['members in another order', (t: string) => t.replace(/^\{("[a-z_]+":"[^"]*"),(.*)\}$/, '{$2,$1}')],
    ['a space', (t: string) => t.replace(':', ': ')],
    ['a member twice', (t: string) => t.replace('{', '{"kind":"STEP",')],
    ['an unknown type', (t: string) => t.replace('sworn.leaf/1', 'sworn.leaf/2')],
    ['half a surrogate pair', (t: string) => t.replace('"kind":"STEP"', '"kind":"STEP","kine":"\\ud800"')],
    ['an escape that is not needed', (t: string) => t.replace('"STEP"', '"\\u0053TEP"')],
    ['a number in another spelling', (t: string) => t.replace(/"map":(\d+)/, '"map":$1.0')],
    ['no JSON', () => 'STEP'],
    ['a list', (t: string) => `[${t}]`],
  ])('%s is no record', async (_, change) => {
    const leaf = first(RUNS, 'STEP');
    const planted = changed(leaf, change);
    expect(planted[1]).not.toEqual(leaf[1]);
    plant(files, RUNS, { hashes: hashesOf(RUNS), key: house.keyStore.noteSigner, leaf: planted });
    const said = await found();
    expect(said).toContain('RECORD_MALFORMED');
    expect(said).not.toContain('NOT_UNDER_CHECKPOINT');
  });

  it('a record of another log is none of this one', async () => {
    const planted = changed(first(RUNS, 'STEP'), (t) => t.replace('/llm-runs"', '/audit"'));
    plant(files, RUNS, { hashes: hashesOf(RUNS), key: house.keyStore.noteSigner, leaf: planted });
    expect(await found()).toContain('RECORD_MALFORMED');
  });

  it('a record of earlier than the one before it is told', async () => {
    const planted = changed(first(RUNS, 'RUN'), (t) => t.replace(/"recorded_at":"\d{4}/, '"recorded_at":"2001'));
    plant(files, RUNS, { hashes: hashesOf(RUNS), key: house.keyStore.noteSigner, leaf: planted });
    expect(await found()).toContain('RECORD_ORDER');
  });

  it('a step that says something else is none that its run was sealed with', async () => {
    const planted = changed(first(RUNS, 'STEP'), (t) => t.replace(/"started_ns":"\d/, '"started_ns":"2'));
    plant(files, RUNS, { hashes: hashesOf(RUNS), key: house.keyStore.noteSigner, leaf: planted });
    await rederive(files);
    expect(await found()).toEqual(['INCOMPLETE']);
  });
});

describe('a disclosure', () => {
  const NAME = 'data/disclosures/llm-runs.ndjson';
  type Line = Readonly<Record<'index' | 'path' | 'salt' | 'value', string>>;
  const relined = (change: (lines: Line[]) => readonly (Line | undefined)[]) =>
    edit(files, NAME, () =>
      change(linesIn(files, NAME).map((line) => JSON.parse(line) as Line))
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );

  it.each(['salt', 'value', 'index'] as const)(
    'with the %s of another is not what its record committed to',
    async (what) => {
      relined(([a, b, ...others]) => [
        { ...(a as Line), [what]: (b as Line)[what] },
        { ...(b as Line), [what]: (a as Line)[what] },
        ...others,
      ]);
      expect(await found()).toContain('DISCLOSURE_MISMATCH');
    },
  );

  it('that is twice there, or out of order, is told', async () => {
    relined(([a, b, ...others]) => [b, a, ...others]);
    expect(await found()).toContain('DISCLOSURE_MISMATCH');
    files = await filesOf(honest);
    relined(([a, ...others]) => [a, a, ...others]);
    expect(await found()).toEqual(expect.arrayContaining(['COUNT_MISMATCH', 'DISCLOSURE_MISMATCH']));
  });

  it.each(['undisclosed', 'erased'] as const)('kept back where all is disclosed is told, called %s', async (what) => {
    relined(([, ...others]) => others);
    restate(files, (said) => ({
      ...said,
      logs: said.logs.map((one) =>
        one.log === RUNS ? { ...one, disclosed: one.disclosed - 1, [what]: one[what] + 1 } : one,
      ),
    }));
    expect(await found()).toEqual(['COUNT_MISMATCH']);
  });
});

describe('what is said of the records', () => {
  it.each(['envelope.json', 'trace.json', 'governance.json', 'replay.json', 'events.csv'])(
    '%s is what they say',
    async (name) => {
      edit(files, `data/${name}`, (before) =>
        before.replace(/\d(?=[^\d]*$)/, (digit) => `${(Number(digit) + 1) % 10}`),
      );
      expect(await found()).toEqual(['DERIVED_MISMATCH']);
    },
  );

  it.each<[string, (before: string) => string]>([
    ['format', (t) => t.replace('bundle/1', 'bundle/2')],
    ['tenant', (t) => t.replace(/"tenant_id": "./, (s) => `${s.slice(0, -1)}${s.endsWith('0') ? '1' : '0'}`)],
    ['run', (t) => t.replace(/"run_id": "./, (s) => `${s.slice(0, -1)}${s.endsWith('0') ? '1' : '0'}`)],
    ['disclosure', (t) => t.replace('"disclosure": "all"', '"disclosure": "none"')],
    ['log', (t) => t.replace('"log": "audit"', '"log": "audit.2"')],
    ['origin', (t) => t.replace('"origin": "test/', '"origin": "best/')],
    ['leaf_index', (t) => t.replace(/"leaf_index": \d+/, '"leaf_index": 0')],
    ['checksum', (t) => t.replace(/"checksum": "sha256:.{8}/, '"checksum": "sha256:00000000')],
    ...['size', 'shown', 'withheld', 'disclosed', 'undisclosed', 'erased'].map(
      (name): [string, (t: string) => string] => [
        name,
        (t) => t.replace(new RegExp(`"${name}": (\\d+)`), (_, n: string) => `"${name}": ${Number(n) + 1}`),
      ],
    ),
  ])('the statement’s %s is held against them', async (_, change) => {
    edit(files, 'data/statement.json', change);
    expect(await found()).not.toEqual([]);
  });
});

describe('a proof', () => {
  it('of the same hashes in another order proves nothing', async () => {
    edit(files, `proofs/${RUNS}/range.json`, (before) => {
      const all = JSON.parse(before) as { path: string[] };
      const [a = '', b = ''] = all.path;
      return before.replace(a, '@').replace(b, a).replace('@', b);
    });
    expect(await found()).toEqual(['NOT_UNDER_CHECKPOINT']);
  });

  it('of another leaf is not that of the one it is named for', async () => {
    const proofs = [...files.keys()].filter((name) => /^proofs\/audit\/.*tlog-proof$/.test(name));
    edit(files, proofs[0] as string, () => text(files, proofs[1] as string));
    expect(await found()).toEqual(['PROOF_DIFFERS']);
  });

  it.each(['another size', 'another log', 'another tenant'])(
    'under a signed checkpoint of %s proves nothing',
    async (of) => {
      const key = house.keyStore.noteSigner;
      const origin = statementIn(files).logs.find(({ log }) => log === RUNS)?.origin ?? '';
      if (of === 'another size') {
        files.set(`proofs/${RUNS}/checkpoint`, Buffer.from(text(await filesOf(older), `proofs/${RUNS}/checkpoint`)));
      } else {
        const named =
          of === 'another log' ? origin.replace(RUNS, 'system') : origin.replace(tenant, crypto.randomUUID());
        signTree(files, RUNS, { hashes: hashesOf(RUNS), key, origin: named });
      }
      expect(await found()).toContain('CHECKPOINT_DIFFERS');
    },
  );
});

describe('a key', () => {
  it('in the bundle that is not the one that signed is told', async () => {
    const { publicKey } = foreignKey();
    edit(files, 'trust/keys.txt', () =>
      statementIn(files)
        .logs.map(({ origin }) => `${vkeyOf(origin, publicKey)}\n`)
        .join(''),
    );
    expect(await found()).toEqual(['KEY_DIFFERS']);
  });

  it('of a stranger who signed everything anew is none that was pinned; unpinned, nothing is wrong, and nothing is verified', async () => {
    signAll(files, hashes, foreignKey());
    expect(await found()).toContain('CHECKPOINT_UNSIGNED');
    const { verdict, findings } = await verified(archiveOf(files), []);
    expect([verdict, findings]).toEqual(['UNPINNED', []]);
  });
});

describe('an attestation', () => {
  const attested = () => parseAttestation(text(files, ATTESTATION));

  it('of another export is none of this one', async () => {
    files.set(ATTESTATION, (await filesOf(undisclosed)).get(ATTESTATION) as Buffer);
    expect(codes(await verified(archiveOf(files)))).toEqual(['ATTESTATION_DIFFERS']);
  });

  it('signed by a key that the record of the export does not name counts for nothing', async () => {
    edit(files, ATTESTATION, () => attestationText(attested(), foreignKey()));
    expect(codes(await verified(archiveOf(files)))).toEqual(['ATTESTATION_UNSIGNED']);
  });

  it('from which somebody was left out counts for nothing, whoever signs it', async () => {
    const whole = attested();
    expect(whole.custody.length).toBeGreaterThan(0);
    const cut = { ...whole, custody: whole.custody.slice(1) };
    const { sign } = foreignKey();
    for (const key of [foreignKey(), { publicKey: whole.signedBy, sign }]) {
      edit(files, ATTESTATION, () => attestationText(cut, key));
      expect(codes(await verified(archiveOf(files)))).toEqual(['ATTESTATION_UNSIGNED']);
    }
  });
});

describe('a bundle held against one from before', () => {
  it('agrees with it where the run was sealed anew since', async () => {
    expect((await verified(honest, pinned(), older)).verdict).toBe('VERIFIED');
  });

  it('of a log that was forked since is contradicted, though the fork is signed by the real key', async () => {
    const leaf = first(RUNS, 'CONFLICT');
    const forked: PlacedLeaf = [
      leaf[0],
      Buffer.from(
        Buffer.from(leaf[1])
          .toString()
          .replace(/"r":"./, (s) => `${s.slice(0, -1)}${s.endsWith('0') ? '1' : '0'}`),
      ),
    ];
    plant(files, RUNS, { hashes: hashesOf(RUNS), key: house.keyStore.noteSigner, leaf: forked });
    await rederive(files);
    expect(await found()).toEqual([]);
    expect(codes(await verified(archiveOf(files), pinned(), older))).toEqual(['CONTRADICTS_OLDER']);
  });
});

describe('a bundle with copies of every sort', () => {
  it('has as many as its RUN leaf says: of steps of its own, of foreign ones, and of those that came late', async () => {
    const traceId = newTrace();
    const sent = agentRun(traceId);
    const other = (from: string) => ({ ...sent, body: Buffer.from(sent.body.toString().replaceAll('gpt-4o', from)) });
    await house.ingest(tenant, sent);
    await house.ingest(tenant, other('gpt-4x'));
    for (const model of ['gpt-4y', 'gpt-4z']) await house.ingest(tenant, other(model), [], ['till']);
    await house.seal(tenant);
    await house.ingest(tenant, other('gpt-4v'));
    await house.seal(tenant);
    await house.sign(tenant);
    const { bytes } = await exported(house, {
      tenantId: tenant,
      scope: { kind: 'RUN', runId: traceId },
      disclosure: 'none',
    });
    expect(leavesIn(await filesOf(bytes), RUNS).filter((leaf) => kindOf(leaf) === 'CONFLICT').length).toBeGreaterThan(
      2,
    );
    expect((await verified(bytes)).findings).toEqual([]);
  });
});
