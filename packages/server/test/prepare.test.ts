import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeLeaf, EMPTY_ROOT, hex, type Leaf } from '@sworn/evidence';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UNBOUNDED } from '../src/access/keyBounds.js';
import type { KeyCredential } from '../src/access/credential.js';
import { createPreparer, type Preparer } from '../src/ingest/prepare.js';
import type { SpanSlice } from '../src/otlp/decoded.js';
import { decodeTracesJson } from '../src/otlp/json.js';
import { decodeTraces } from '../src/otlp/wire.js';
import { openBody } from '../src/record/body.js';
import { createClockGuard } from '../src/record/clockGuard.js';
import { createDataKeys, type DataKeys } from '../src/record/dataKeys.js';
import { createDirectory } from '../src/record/directory.js';
import type { LeafDraft } from '../src/record/draft.js';
import { openKeyStore } from '../src/record/keyStore.js';
import { originOf } from '../src/record/origin.js';
import { createRedactor } from '../src/record/redact/redactor.js';
import { readRedactionRules } from '../src/redactionRules.js';
import { createSequencer, type Sequencer } from '../src/record/sequencer.js';
import { inTenant } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';
import { GOVERNANCE, MAPPER, VOCABULARY } from './mapper.js';
import { any, keyValue, message, text, varint, type WireMessage } from './otlpBytes.js';
import { TRACE_CAPTURES } from './otlpCaptures.js';

const NOW = Date.UTC(2026, 10, 25, 12);
const originFor = (tenant: string, log: string): string => originOf('sworn-0011223344556677', tenant, log);
let database: TestDatabase;
let root: string;
let dataKeys: DataKeys;
let preparer: Preparer;
let sequencer: Sequencer;
let credential: KeyCredential;

beforeAll(async () => {
  database = await testDatabase();
  root = await mkdtemp(join(tmpdir(), 'sworn-prepare-'));
});
afterAll(async () => {
  await database.drop();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  const { db } = database;
  const now = () => NOW;
  const keyStore = await openKeyStore({ keyDir: join(root, 'keys'), dataDir: join(root, 'data'), now });
  dataKeys = createDataKeys({ db, keyStore, role: 'writer', now });
  const directory = createDirectory({ db, dataKeys, role: 'writer' });
  const redactor = createRedactor(readRedactionRules(null));
  preparer = createPreparer({
    keyStore,
    dataKeys,
    directory,
    redactor,
    mapper: MAPPER,
    vocabulary: VOCABULARY,
    governance: GOVERNANCE,
    openOriginOf: originFor,
    now,
  });
  sequencer = createSequencer({
    db,
    role: 'writer',
    recorderKey: randomBytes(32),
    originOf: originFor,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
  });
  const tenantId = randomUUID();
  await keyStore.createTenant(tenantId);
  await inTenant(db, 'recorder', tenantId, (tx) =>
    insertTenant(tx, { tenantId, name: 'test', synthetic: false, platform: false }, EMPTY_ROOT),
  );
  credential = {
    kind: 'key',
    tenantId,
    keyId: randomUUID(),
    role: 'ingest',
    permissions: new Set(['logs.ingest']),
    scopes: [],
    services: [],
    tenantSynthetic: false,
    bounds: UNBOUNDED,
    expiresAt: new Date(NOW + 86_400_000),
  };
});

const START = 1_764_032_000_123_456_789n;
const ns = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
const RESOURCE = message([
  [
    1,
    message([
      [1, keyValue('service.name', any('checkout'))],
      [1, keyValue('host.id', any('h-1'))],
    ]),
  ],
]);
const SCOPE = message([[1, message([[1, text('test')]])]]);

/** A span as the wire reader hands it over; `fields` come behind id, name and times. */
function sliceOf(
  fields: WireMessage = [],
  more: Partial<SpanSlice> & { start?: bigint; end?: bigint } = {},
): SpanSlice {
  const traceId = more.traceId ?? randomBytes(16);
  const spanId = more.spanId ?? randomBytes(8);
  const { start = START, end = START + 5_000_000n } = more;
  const bytes = message([
    [1, traceId],
    [2, spanId],
    [5, text('chat gpt')],
    [7, ns(start), 1],
    [8, ns(end), 1],
    ...fields,
  ]);
  const resource = more.resource ?? ({ part: 'resource', bytes: RESOURCE } as const);
  const scope = more.scope ?? ({ part: 'scope', bytes: SCOPE } as const);
  return { bytes, traceId, spanId, resource, scope };
}

async function stepOf(slice: SpanSlice, as = credential): Promise<{ draft: LeafDraft; leaf: Leaf }> {
  const draft = (await preparer.prepareTraces(as, [slice])).at(-1);
  if (draft === undefined) throw new Error('no draft');
  return { draft, leaf: decodeLeaf(draft.leaf) };
}

async function bodyOf(draft: LeafDraft): Promise<Buffer> {
  const leaf = decodeLeaf(draft.leaf);
  const key = (await dataKeys.open(credential.tenantId, [draft.dk ?? ''])).get(draft.dk ?? '');
  const committed = leaf.c?.body;
  if (key === undefined || committed === undefined || draft.body === null) throw new Error('no body');
  const address = { origin: leaf.log, eventKey: draft.eventKey, path: 'body' };
  const opened = openBody(key, address, { body: draft.body, ...committed });
  if (opened.kind !== 'open') throw new Error(opened.check);
  return Buffer.from(opened.value);
}

describe('every recorded request of a real client', () => {
  it.each(TRACE_CAPTURES.map((capture) => [`${capture.client} (${capture.encoding})`, capture] as const))(
    '%s becomes one STEP a span, whose body is the very span',
    async (_, { body, encoding }) => {
      const { spans } = encoding === 'protobuf' ? decodeTraces(body) : decodeTracesJson(body);
      const drafts = await preparer.prepareTraces(credential, spans);
      const steps = drafts.filter((draft) => draft.kind === 'STEP');
      expect(steps.length).toBe(spans.length);
      for (const [at, step] of steps.entries()) {
        const leaf = decodeLeaf(step.leaf);
        expect(leaf).toMatchObject({ by: 'producer', key: credential.keyId, map: MAPPER.mapping.version.map });
        expect(leaf.fields.trimmed).toBeUndefined();
        const same = Buffer.from(spans[at]?.bytes ?? []).equals(await bodyOf(step));
        expect(same).toBe(leaf.fields.redacted === undefined);
      }
      const appended = await sequencer.append(credential.tenantId, drafts);
      expect(appended.every(({ outcome }) => outcome === 'stored')).toBe(true);
    },
  );
});

describe('a STEP leaf', () => {
  it('names the resource and scope records by their leaf hashes, once they are numbered', async () => {
    const drafts = await preparer.prepareTraces(credential, [sliceOf(), sliceOf()]);
    expect(drafts.map((draft) => draft.kind)).toEqual(['RESOURCE', 'RESOURCE', 'STEP', 'STEP']);
    const appended = await sequencer.append(credential.tenantId, drafts);
    const { fields } = decodeLeaf(drafts[3]?.leaf ?? new Uint8Array());
    expect(fields.resource).toBe(hex(appended[0]?.leafHash ?? new Uint8Array()));
    expect(fields.scope).toBe(hex(appended[1]?.leafHash ?? new Uint8Array()));
    expect(fields.recorded_at).toBe(appended[3]?.recordedAt);
    const again = await sequencer.append(credential.tenantId, await preparer.prepareTraces(credential, [sliceOf()]));
    expect(again.map(({ outcome }) => outcome)).toEqual(['duplicate', 'duplicate', 'stored']);
  });

  it('happened when the span began, to the microsecond; without a start at its end, without both when it came', async () => {
    const begun = await stepOf(sliceOf());
    expect(begun.leaf.occurredAt).toBe('2025-11-25T00:53:20.123456Z');
    expect(begun.leaf.fields).toMatchObject({ started_ns: String(START), duration_us: 5000 });
    expect(begun.leaf.fields.occurred_basis).toBeUndefined();
    const ended = await stepOf(sliceOf([], { start: 0n }));
    expect(ended.leaf).toMatchObject({ occurredAt: '2025-11-25T00:53:20.128456Z', fields: { occurred_basis: 'end' } });
    const timeless = await stepOf(sliceOf([], { start: 0n, end: 0n }));
    expect(timeless.leaf).toMatchObject({
      occurredAt: '2026-11-25T12:00:00.000000Z',
      fields: { occurred_basis: 'received' },
    });
    const absurd = await stepOf(sliceOf([], { start: 2n ** 64n - 1n, end: 1n }));
    expect(absurd.leaf.occurredAt).toBe('2554-07-21T23:34:33.709551Z');
  });

  it('holds no person and no free text: people are tokens, the rest is in the body', async () => {
    const { draft, leaf } = await stepOf(
      sliceOf([
        [9, keyValue('user.id', any('ada@example.com'))],
        [9, keyValue('gen_ai.request.model', any('a model name with <markup> in it'))],
        [9, keyValue('gen_ai.conversation.id', any('someone@example.com'))],
      ]),
    );
    const written = Buffer.from(draft.leaf).toString('utf8');
    expect(written).not.toMatch(/example\.com|markup/);
    expect(leaf.fields.human_actor_id).toMatch(/^tok_[0-9a-f]{32}$/);
    const reading = createDirectory({ db: database.db, dataKeys, role: 'writer' });
    const token = leaf.fields.human_actor_id as string;
    expect(await reading.look(credential.tenantId, [token])).toEqual(new Map([[token, 'ada@example.com']]));
  });

  it('says what was removed, by rule, place and size, and the body is without it', async () => {
    const { draft, leaf } = await stepOf(sliceOf([[9, keyValue('note', any('the password=hunter2horse is'))]]));
    expect(leaf.fields.redacted).toEqual([{ rule: 'secret_by_name', path: 'attributes.0.value.string_value', n: 16 }]);
    expect((await bodyOf(draft)).toString('latin1')).toContain('the password=[REDACTED:secret_by_name] is');
  });

  it('lists 64 removals and counts the others', async () => {
    const many = Array.from({ length: 100 }, (_, at) => [9, keyValue(`k${at}.password`, any('hunter2'))] as const);
    const { leaf } = await stepOf(sliceOf(many));
    expect(leaf.fields.redacted).toHaveLength(64);
    expect(leaf.fields.redacted_more).toBe(36);
  });

  it('that would be too large is trimmed, and says so; the span is kept whole', async () => {
    const long = (at: number): Buffer => any(`${at}-`.padEnd(128, 'x'));
    const list = any(Array.from({ length: 64 }, (_, at) => long(at)));
    const slice = sliceOf([
      [9, keyValue('sworn.policy.ids', list)],
      [9, keyValue('sworn.incident.ids', list)],
      [9, keyValue('gen_ai.request.model', any('m'))],
    ]);
    const { draft, leaf } = await stepOf(slice, { ...credential, scopes: ['ingest:assert'] });
    expect(leaf.fields.trimmed).toBe(true);
    expect(leaf.fields.policy_ids).toBeUndefined();
    expect(leaf.fields.model).toBe('m');
    expect(await bodyOf(draft)).toEqual(Buffer.from(slice.bytes));
  });

  it('takes sworn.* attributes only from a key that may assert', async () => {
    const slice = sliceOf([
      [9, keyValue('sworn.run.id', any('run-7'))],
      [9, keyValue('sworn.correlation.id', any('corr-7'))],
      [9, keyValue('sworn.human.id', any('ada'))],
    ]);
    const plain = await stepOf(slice);
    expect(
      plain.leaf.fields.run_hint ?? plain.leaf.fields.correlation_id ?? plain.leaf.fields.human_actor_id,
    ).toBeUndefined();
    const asserted = await stepOf(slice, { ...credential, scopes: ['ingest:assert'] });
    expect(asserted.leaf.fields).toMatchObject({ run_hint: 'run-7', correlation_id: 'corr-7' });
    expect(asserted.leaf.fields.human_actor_id).toMatch(/^tok_/);
  });

  it('of a service that the key is not bound to is kept and marked', async () => {
    expect(
      (await stepOf(sliceOf(), { ...credential, keyId: randomUUID(), services: ['checkout'] })).leaf.fields.foreign,
    ).toBeUndefined();
    expect(
      (await stepOf(sliceOf(), { ...credential, keyId: randomUUID(), services: ['other'] })).leaf.fields.foreign,
    ).toBe(true);
  });
});

describe('a span that is sent again', () => {
  it('is a duplicate when its bytes are the same, though everything drawn at random differs', async () => {
    const slice = sliceOf();
    const first = await preparer.prepareTraces(credential, [slice]);
    const second = await preparer.prepareTraces(credential, [slice]);
    expect(Buffer.from(first[2]?.body ?? [])).not.toEqual(Buffer.from(second[2]?.body ?? []));
    await sequencer.append(credential.tenantId, first);
    expect((await sequencer.append(credential.tenantId, second)).map(({ outcome }) => outcome)).toEqual([
      'duplicate',
      'duplicate',
      'duplicate',
    ]);
  });

  it('with other bytes is kept beside the first as a CONFLICT, once, and names it', async () => {
    const slice = sliceOf();
    const other = sliceOf([[9, keyValue('more', any('than before'))]], slice);
    const [, , stored] = await sequencer.append(credential.tenantId, await preparer.prepareTraces(credential, [slice]));
    const drafts = await preparer.prepareTraces(credential, [other]);
    const appended = await sequencer.append(credential.tenantId, drafts);
    const again = await sequencer.append(credential.tenantId, await preparer.prepareTraces(credential, [other]));
    expect(appended[2]).toMatchObject({ outcome: 'conflict' });
    expect(again[2]?.index).toBe(appended[2]?.index);
    const rows = await database.admin<{ kind: string; leaf: Uint8Array }>(
      `select kind, leaf from sworn.leaf where tenant_id = $1 and log = 'llm-runs' order by leaf_index`,
      [credential.tenantId],
    );
    expect(rows.map((row) => row.kind)).toEqual(['STEP', 'CONFLICT']);
    const conflict = decodeLeaf(new Uint8Array(rows[1]?.leaf ?? []));
    expect(conflict.fields).toMatchObject({
      first: hex(stored?.leafHash ?? new Uint8Array()),
      first_index: stored?.index,
    });
    expect(conflict.fields.resource).not.toMatch(/^0+$/);
  });
});

describe('a RESOURCE leaf', () => {
  it('has the identity that telemetry is joined by, and a body that is the resource as sent', async () => {
    const [resource] = await preparer.prepareTraces(credential, [sliceOf()]);
    if (resource === undefined) throw new Error('no draft');
    const { fields } = decodeLeaf(resource.leaf);
    expect(fields).toMatchObject({ part: 'resource', service: 'checkout', host_id: 'h-1', occurred_basis: 'received' });
    expect(await bodyOf(resource)).toEqual(RESOURCE);
  });

  it('is made once for equal resources of a request', async () => {
    const copies = Array.from({ length: 3 }, () =>
      sliceOf([], { resource: { part: 'resource', bytes: Buffer.from(RESOURCE) } }),
    );
    const drafts = await preparer.prepareTraces(credential, copies);
    expect(drafts.filter((draft) => draft.kind === 'RESOURCE')).toHaveLength(2);
  });
});

describe('no span is ever refused', () => {
  it('whatever stands where the mapping looks', async () => {
    const odd: WireMessage[] = [
      [
        [9, message([[2, varint(7), 0]])],
        [15, message([[3, varint(99), 0]])],
      ],
      [
        [9, keyValue('gen_ai.usage.input_tokens', any('many'))],
        [9, keyValue('gen_ai.usage.output_tokens', any(-5))],
      ],
      [[9, keyValue('gen_ai.request.model', Buffer.from([0x0a, 3, 0xff, 0xfe, 0xfd]))]],
      [
        [9, keyValue('tool.name', any('\ud800'))],
        [900, text('unknown')],
      ],
      [
        [4, text('not eight bytes')],
        [5, text('again')],
      ],
    ];
    for (const fields of odd) {
      const { draft } = await stepOf(sliceOf(fields));
      expect(draft.kind).toBe('STEP');
    }
  });
});
