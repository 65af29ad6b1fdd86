import { randomBytes } from 'node:crypto';
import { decodeLeaf, hex, type Leaf, sha256, utf8 } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeLogs } from '../src/otlp/wire.js';
import { openBody } from '../src/record/body.js';
import type { LeafDraft } from '../src/record/draft.js';
import { inTenant } from '../src/store/database.js';
import { sql } from '../src/store/sql.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { type Line, lineBytes, logsRequest } from './logLines.js';
import { any, keyValue, message, text, type WireMessage } from './otlpBytes.js';
import { LOG_CAPTURES } from './otlpCaptures.js';

let house: House;
let tenant: string;
beforeAll(async () => {
  house = await buildHouse();
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
});
afterAll(() => house.close());

const send = (lines: readonly (Line | Uint8Array)[], by?: Parameters<House['ingestLogs']>[2]) =>
  house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) }, by);

/** The leaf of one line, with its draft. */
async function leafOf(
  line: Line,
  by?: Parameters<House['ingestLogs']>[2],
): Promise<{ readonly leaf: Leaf; readonly draft: LeafDraft }> {
  const { drafts } = await send([line], by);
  const draft = drafts.at(-1);
  if (draft === undefined) throw new Error('no draft');
  return { leaf: decodeLeaf(draft.leaf), draft };
}

async function bodyOf(draft: LeafDraft): Promise<Buffer> {
  const leaf = decodeLeaf(draft.leaf);
  const key = (await house.read.dataKeys.open(tenant, [draft.dk ?? ''])).get(draft.dk ?? '');
  const committed = leaf.c?.body;
  if (key === undefined || committed === undefined || draft.body === null) throw new Error('no body');
  const address = { origin: leaf.log, eventKey: draft.eventKey, path: 'body' };
  const opened = openBody(key, address, { body: draft.body, ...committed });
  if (opened.kind !== 'open') throw new Error(opened.check);
  return Buffer.from(opened.value);
}

const rows = (table: 'system_records' | 'audit_ledger', of = tenant) =>
  house.database.admin<Record<string, unknown>>(
    `select r.*, r.conflict_of::int as conflict_of from sworn.${table} r where tenant_id = $1 order by log, leaf_index`,
    [of],
  );
const leaves = (log: string) =>
  house.database.admin<{ kind: string; leaf: Buffer }>(
    `select kind, leaf from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
    [tenant, log],
  );

/** No finding of ours, and nothing that an auditor who shares no code with us objects to. */
async function sound(): Promise<void> {
  await house.sign(tenant);
  expect((await house.check(tenant)).findings).toEqual([]);
}

describe('what real clients log', () => {
  it.each(LOG_CAPTURES.map((capture) => [`${capture.client} (${capture.encoding})`, capture] as const))(
    '%s becomes one record a line, whose body is the very line',
    async (_, capture) => {
      const { drafts, appended } = await house.ingestLogs(tenant, capture);
      expect(appended.every(({ outcome }) => outcome === 'stored')).toBe(true);
      const records = drafts.filter(({ kind }) => kind !== 'RESOURCE');
      expect(records.length).toBeGreaterThan(0);
      for (const draft of records) {
        const isGoverned = decodeLeaf(draft.leaf).fields.rule !== undefined;
        expect([draft.topic, draft.kind]).toEqual(isGoverned ? ['audit', 'AUDIT'] : ['system', 'LOG']);
        const { fields, by, key } = decodeLeaf(draft.leaf);
        expect([by, typeof key, fields.trimmed]).toEqual(['producer', 'string', undefined]);
        expect(fields.service).toBeDefined();
      }
      if (capture.encoding === 'protobuf') {
        const sent = decodeLogs(capture.body).records;
        for (const [at, draft] of records.entries())
          if (decodeLeaf(draft.leaf).fields.redacted === undefined)
            expect((await bodyOf(draft)).equals(Buffer.from(sent[at]?.bytes ?? []))).toBe(true);
      }
      const logged = records.filter(({ topic }) => topic === 'system');
      expect(await rows('system_records')).toHaveLength(logged.length);
      await sound();
    },
  );
});

describe('a line of a plain logger', () => {
  it('is a LOG in system, with its band, its native severity, its component and its trace', async () => {
    const traceId = randomBytes(16);
    const { leaf, draft } = await leafOf({
      severity: 17,
      severityText: 'ERROR',
      body: 'the queue is full',
      traceId,
      spanId: randomBytes(8),
    });
    expect([draft.topic, leaf.kind, leaf.occurredAt]).toEqual(['system', 'LOG', '2025-11-25T00:53:20.123456Z']);
    expect(leaf.fields).toMatchObject({
      severity: 'CRITICAL',
      severity_number: 17,
      severity_text: 'ERROR',
      component: 'shop',
      service: 'shop',
      logger: 'checkout.payments',
      trace_id: hex(traceId),
      correlation_id: hex(traceId),
    });
    expect(Buffer.from(draft.leaf).toString()).not.toContain('queue');
    expect(await rows('system_records')).toMatchObject([
      { event_type: 'LOG', conflict_of: null, severity: 'CRITICAL', component: 'shop', trace_id: traceId },
    ]);
    await sound();
  });

  it('names its resource and scope by their leaf hashes', async () => {
    const { drafts, appended } = await send([{ body: 'a' }]);
    const { fields } = decodeLeaf(drafts[2]?.leaf ?? new Uint8Array());
    expect(drafts.map(({ kind }) => kind)).toEqual(['RESOURCE', 'RESOURCE', 'LOG']);
    expect(fields.resource).toBe(hex(appended[0]?.leafHash ?? new Uint8Array()));
    expect(fields.scope).toBe(hex(appended[1]?.leafHash ?? new Uint8Array()));
  });

  it('happened when it says, else when it was observed, else when it came, and says which', async () => {
    const at = async (line: Line) => {
      const { leaf } = await leafOf(line);
      return [leaf.occurredAt.slice(0, 4), leaf.fields.occurred_basis];
    };
    expect(await at({ observedNs: 1n })).toEqual(['2025', undefined]);
    expect(await at({ timeNs: 0n, observedNs: 946_684_800_000_000_000n })).toEqual(['2000', 'observed']);
    expect(await at({ timeNs: 0n })).toEqual([new Date().toISOString().slice(0, 4), 'received']);
  });

  it('is of no trace where its ids are empty, zero or too short, and of no span then', async () => {
    for (const traceId of [new Uint8Array(0), Buffer.alloc(16), Buffer.alloc(5, 1)]) {
      const { leaf } = await leafOf({ traceId, spanId: Buffer.alloc(8, 1), body: hex(traceId) });
      expect([leaf.fields.trace_id, leaf.fields.span_id, leaf.fields.correlation_id]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
  });

  it('is sealed under the key of its trace, else under one of its log, person and day', async () => {
    const trace = newTrace();
    await house.ingest(tenant, agentRun(trace));
    const [step] = await house.database.admin<{ dk: string }>(
      `select dk::text from sworn.leaf where tenant_id = $1 and log = 'llm-runs' limit 1`,
      [tenant],
    );
    const ofTrace = await leafOf({ traceId: Buffer.from(trace, 'hex') });
    expect(ofTrace.draft.dk).toBe(step?.dk);
    const [one, two] = [(await leafOf({ body: '1' })).draft, (await leafOf({ body: '2' })).draft];
    expect(one.dk).toBe(two.dk);
    const ada = await leafOf({ attributes: { 'user.id': 'ada@example.com' } });
    const audit = await leafOf({ event: 'sworn.audit.note' });
    expect(new Set([one.dk, ada.draft.dk, audit.draft.dk, ofTrace.draft.dk]).size).toBe(4);
  });

  it('is an event of the environment where the vocabulary says so, and of nothing that it only claims', async () => {
    const { leaf } = await leafOf({ event: 'sworn.system.oom', attributes: { 'event.type': 'DEPLOY' } });
    expect([leaf.kind, leaf.fields.caused_by, leaf.fields.event_name]).toEqual(['OOM', 'SYSTEM', 'sworn.system.oom']);
    expect(await rows('system_records')).toMatchObject([{ event_type: 'OOM', event_name: 'sworn.system.oom' }]);
  });

  it('is correlated by its trace, else by its conversation', async () => {
    const { leaf } = await leafOf({ attributes: { 'session.id': 's-1', 'prompt.id': 'p-1' } });
    expect(leaf.fields).toMatchObject({ correlation_id: 's-1', conversation_id: 's-1', run_hint: 'p-1' });
  });

  it('of a service that the key is not bound to is kept and marked', async () => {
    expect((await leafOf({}, { services: ['shop'] })).leaf.fields.foreign).toBeUndefined();
    tenant = await house.tenants.create({ name: 'other' });
    expect((await leafOf({}, { services: ['other'] })).leaf.fields.foreign).toBe(true);
  });
});

describe('an event of the audit', () => {
  const decided: Line = {
    event: 'sworn.audit.event',
    severity: 9,
    body: 'Ada approved the refund because the customer asked twice',
    attributes: {
      'sworn.audit.action': 'refund.approve',
      'sworn.audit.entity.type': 'order',
      'sworn.audit.entity.id': 'o-77',
      'sworn.audit.actor.type': 'human',
      'sworn.audit.actor.id': 'ada@example.com',
      'sworn.audit.decision': 'Approved',
      'sworn.audit.category': 'approval_decision',
      'sworn.audit.run.id': 'run-7',
      'sworn.audit.policy.id': 'refunds',
      'sworn.audit.policy.version': '3',
      'sworn.audit.incident.id': 'INC-9',
      'sworn.audit.reason': 'the customer asked twice',
    },
  };

  it('is a row of the audit ledger, by what its attributes say', async () => {
    const { leaf, draft } = await leafOf(decided);
    expect([draft.topic, leaf.kind]).toEqual(['audit', 'AUDIT']);
    expect(leaf.fields).toMatchObject({
      event_type: 'EVENT',
      reported_by: 'CLIENT',
      native_decision: 'Approved',
      policy_version: '3',
    });
    expect(await rows('audit_ledger')).toMatchObject([
      {
        log: 'audit',
        event_type: 'EVENT',
        category: 'APPROVAL_DECISION',
        action: 'refund.approve',
        entity_type: 'order',
        entity_id: 'o-77',
        actor_type: 'HUMAN',
        actor_id: expect.stringMatching(/^tok_[0-9a-f]{32}$/),
        decision: 'ALLOW',
        run_id: 'run-7',
        policy_id: 'refunds',
        incident_id: 'INC-9',
        service: 'shop',
      },
    ]);
    expect(await rows('system_records')).toEqual([]);
    await sound();
  });

  it('says nobody’s name and none of its words in the leaf: a token, and the body', async () => {
    const { draft } = await leafOf(decided);
    const written = Buffer.from(draft.leaf).toString();
    expect(written).not.toMatch(/ada@|customer|asked|example/i);
    expect((await bodyOf(draft)).toString('latin1')).toContain('the customer asked twice');
  });

  it.each([
    ['sworn.audit.incident.linked', 'INCIDENT_LINKED'],
    ['sworn.audit.review', 'REVIEW'],
    ['sworn.audit.note', 'NOTE'],
    ['sworn.audit.policy.published', 'POLICY_PUBLISHED'],
  ])('named %s is a %s, by field or attribute', async (event, type) => {
    await send([{ event }, { attributes: { 'event.name': event } }]);
    expect((await rows('audit_ledger')).map((row) => row['event_type'])).toEqual([type, type]);
  });

  it('of an agent or a system names it in clear, and not the user whose session it was', async () => {
    const by = (type: string, id: string) =>
      send([
        { ...decided, attributes: { 'user.id': 'ada', 'sworn.audit.actor.type': type, 'sworn.audit.actor.id': id } },
      ]);
    await by('AGENT', 'refund-bot');
    await by('System', 'cron');
    await by('robot', 'r2');
    const actors = (await rows('audit_ledger')).map((row) => [row['actor_type'], row['actor_id']]);
    expect(actors).toEqual([
      ['AGENT', 'refund-bot'],
      ['SYSTEM', 'cron'],
      // Whoever is said to be neither is taken for a person.
      ['HUMAN', expect.stringMatching(/^tok_/)],
    ]);
  });

  it('of what was done to a person has that person as a token too', async () => {
    const { leaf, draft } = await leafOf({
      ...decided,
      attributes: { 'sworn.audit.entity.type': 'Customer', 'sworn.audit.entity.id': 'grace' },
    });
    expect(leaf.fields.entity_id).toMatch(/^tok_[0-9a-f]{32}$/);
    expect(Buffer.from(draft.leaf).toString()).not.toContain('grace');
    await sound();
  });

  it('keeps a decision that it has no word for, and decides nothing by it', async () => {
    const { leaf } = await leafOf({ ...decided, attributes: { 'sworn.audit.decision': 'perhaps' } });
    expect([leaf.fields.decision, leaf.fields.native_decision]).toEqual(['NONE', 'perhaps']);
    const none = await leafOf({ ...decided, attributes: {} });
    expect(none.leaf.fields.decision).toBeUndefined();
  });

  it('names a run whose id is no name by its hash', async () => {
    const { leaf } = await leafOf({ ...decided, attributes: { 'sworn.audit.run.id': 'run of ada@example.com' } });
    expect(leaf.fields.run_id).toBe(`h_${hex(sha256(utf8('run of ada@example.com'))).slice(0, 32)}`);
    await sound();
  });

  it('takes sworn.* of a key that may assert first, and without effect from any other', async () => {
    const attributes = { 'sworn.human.id': 'eve', 'sworn.correlation.id': 'c-1', 'sworn.run.id': 'r-1' };
    const plain = await leafOf({ event: 'sworn.audit.note', attributes });
    expect(plain.leaf.fields.human_actor_id ?? plain.leaf.fields.correlation_id ?? plain.leaf.fields.run_hint).toBe(
      undefined,
    );
    const asserted = await leafOf({ event: 'sworn.audit.review', attributes }, { scopes: ['ingest:assert'] });
    expect(asserted.leaf.fields).toMatchObject({ correlation_id: 'c-1', run_hint: 'r-1', run_asserted: true });
    expect(asserted.leaf.fields.human_actor_id).toMatch(/^tok_/);
  });
});

describe('a sender who calls his events by names of ours', () => {
  it('gets LOG records of a producer: no control leaf, no finding, no component of Sworn', async () => {
    const names = [
      'ERASURE',
      'RETENTION',
      'HOLD',
      'KEY_CREATED',
      'RESOURCE',
      'STEP',
      'RUN',
      'CONFLICT',
      'AUDIT',
      'LOG_RECOVERED',
    ];
    const { appended } = await house.ingestLogs(tenant, {
      encoding: 'protobuf',
      body: logsRequest(
        names.map((event) => ({ event, attributes: { kind: event, by: 'sworn', log: 'control' } })),
        'AuditLedgerWriter',
      ),
    });
    expect(appended.every(({ outcome }) => outcome === 'stored')).toBe(true);
    const stored = (await leaves('system')).slice(2).map(({ kind, leaf }) => [kind, decodeLeaf(leaf).by]);
    expect(stored).toEqual(names.map(() => ['LOG', 'producer']));
    expect(await leaves('audit')).toEqual([]);
    await sound();
  });
});

describe('a request that comes again', () => {
  it('is a duplicate, whole or in part; a line that was logged twice stands twice', async () => {
    const lines = [{ body: 'same' }, { body: 'same' }, { body: 'other' }];
    const first = await send(lines);
    const again = await send(lines);
    expect(first.appended.map(({ outcome }) => outcome)).toEqual(Array(5).fill('stored'));
    expect(again.appended.map(({ outcome }) => outcome)).toEqual(Array(5).fill('duplicate'));
    expect(again.appended.map(({ index }) => index)).toEqual(first.appended.map(({ index }) => index));
    expect(await rows('system_records')).toHaveLength(3);
    await sound();
  });

  it('by its uid, also from another place; other bytes are kept beside as a CONFLICT, once, and name the first', async () => {
    const uid = { 'log.record.uid': '01HZY3K7D9' };
    const first = await send([{ body: 'a', attributes: uid }]);
    const same = await house.ingestLogs(tenant, {
      encoding: 'protobuf',
      body: logsRequest([{ body: 'a', attributes: uid }], 'elsewhere'),
    });
    expect(same.appended.at(-1)).toMatchObject({ outcome: 'duplicate', index: first.appended.at(-1)?.index });
    const other = await send([{ body: 'b', attributes: uid, event: 'sworn.system.oom' }]);
    const again = await send([{ body: 'b', attributes: uid, event: 'sworn.system.oom' }]);
    expect(other.appended.at(-1)?.outcome).toBe('conflict');
    expect(again.appended.at(-1)?.index).toBe(other.appended.at(-1)?.index);
    expect((await leaves('system')).map(({ kind }) => kind).filter((kind) => kind !== 'RESOURCE')).toEqual([
      'LOG',
      'CONFLICT',
    ]);
    expect(await rows('system_records')).toMatchObject([
      { event_type: 'LOG', conflict_of: null },
      { event_type: 'OOM', conflict_of: first.appended.at(-1)?.index },
    ]);
    await sound();
  });

  it('in audit too', async () => {
    const attributes = { 'log.record.uid': 'u-1' };
    await send([{ event: 'sworn.audit.note', body: 'a', attributes, traceId: Buffer.alloc(16, 7) }]);
    await send([{ event: 'sworn.audit.note', body: 'b', attributes, traceId: Buffer.alloc(16, 7) }]);
    expect((await leaves('audit')).map(({ kind }) => kind)).toEqual(['AUDIT', 'CONFLICT']);
    expect(await rows('audit_ledger')).toMatchObject([{ conflict_of: null }, { conflict_of: 0, event_type: 'NOTE' }]);
    await sound();
  });
});

describe('a secret', () => {
  const secret = ['sk', '-proj-', 'aB3dE5gH7jK9mN1pQ2aB3dE5gH7jK9mN1pQ2aB3dE5gH7jK9'].join('');
  const list: Uint8Array = any([any('x'), any(secret)]);
  const held: Uint8Array = any({ deep: any({ deeper: list }) });
  const places: readonly (readonly [string, Line, WireMessage?])[] = [
    ['a text body', { body: `key ${secret}` }],
    ['a body of JSON', { body: JSON.stringify({ a: [secret] }) }],
    ['a body of lists and maps', { fields: [[5, held]] }],
    ['a body of bytes', { fields: [[5, message([[7, text(secret)]])]] }],
    ['a severity text', { severityText: secret }],
    ['an event name', { event: secret }],
    ['an attribute’s value', { attributes: { note: secret } }],
    ['an attribute’s key', { fields: [[6, keyValue(secret, any('v'))]] }],
    ['a nested attribute', { fields: [[6, keyValue('k', held)]] }],
    ['the name of an event in an attribute', { attributes: { 'event.name': secret } }],
    ['an unknown field', { fields: [[99, text(secret)]] }],
    [
      'an attribute that the leaf repeats',
      { event: 'sworn.audit.event', attributes: { 'sworn.audit.entity.id': secret } },
    ],
    ['the id of who acted', { event: 'sworn.audit.event', attributes: { 'sworn.audit.actor.id': secret } }],
    ['the id of a run', { event: 'sworn.audit.event', attributes: { 'sworn.audit.run.id': secret } }],
    ['the name of a scope', { body: '1' }, [[1, message([[1, text(secret)]])]]],
    ['an attribute of a scope', { body: '2' }, [[1, message([[3, keyValue('k', any(secret))]])]]],
    ['a schema URL', { body: '3' }, [[3, text(secret)]]],
  ];

  it.each(places.map(([place, line, scope]) => ({ place, line, scope })))(
    'in $place is nowhere: no leaf, no row, no body',
    async ({ line, scope }) => {
      const { drafts } = await house.ingestLogs(tenant, {
        encoding: 'protobuf',
        body: logsRequest([line], 'shop', scope),
      });
      const core = secret.slice(-12);
      for (const draft of drafts) {
        expect(Buffer.from(draft.leaf).toString('latin1')).not.toContain(core);
        expect((await bodyOf(draft)).toString('latin1')).not.toContain(core);
      }
      const stored = [...(await rows('system_records')), ...(await rows('audit_ledger'))];
      expect(stored).toHaveLength(1);
      expect(JSON.stringify(stored)).not.toContain(core);
      expect(drafts.some((draft) => decodeLeaf(draft.leaf).fields.redacted !== undefined)).toBe(true);
      await sound();
    },
  );

  it('takes nothing away from what an event is: an audit event stays one', async () => {
    const { draft } = await leafOf({ event: 'sworn.audit.note', body: secret });
    expect([draft.topic, draft.kind]).toEqual(['audit', 'AUDIT']);
  });
});

describe('rows of log records', () => {
  it('are held apart by tenant', async () => {
    await send([{ body: 'ours' }, { event: 'sworn.audit.note' }]);
    const theirs = await house.tenants.create({ name: 'theirs' });
    for (const table of ['system_records', 'audit_ledger'] as const) {
      const seen = (of: string) =>
        inTenant(house.database.db, 'reader', of, async (tx) => {
          const { rows: found } = await tx.client.query(`select tenant_id from sworn.${table}`);
          return found.length;
        });
      expect([await seen(tenant), await seen(theirs)]).toEqual([1, 0]);
      expect(await rows(table, theirs)).toEqual([]);
    }
    await expect(
      inTenant(house.database.db, 'writer', theirs, (tx) =>
        tx.query(sql`insert into sworn.audit_ledger (tenant_id, log, leaf_index, event_type, occurred_at)
          values (${tenant}::uuid, 'audit', 9, 'NOTE', now())`),
      ),
    ).rejects.toThrow();
  });

  it.each([
    [
      'a column of a system record',
      `update sworn.system_records set severity = 'INFO' where tenant_id = $1`,
      'PROJECTION_MISMATCH',
    ],
    ['who acted', `update sworn.audit_ledger set actor_id = 'tok_mallory' where tenant_id = $1`, 'PROJECTION_MISMATCH'],
    ['a system record gone', `delete from sworn.system_records where tenant_id = $1`, 'PROJECTION_MISSING'],
    ['an audit row gone', `delete from sworn.audit_ledger where tenant_id = $1`, 'PROJECTION_MISSING'],
    [
      'an audit row too many',
      `insert into sworn.audit_ledger (tenant_id, log, leaf_index, event_type, occurred_at) values ($1, 'audit', 5, 'NOTE', now())`,
      'BEYOND_HEAD',
    ],
    ['a row beside a resource', `update sworn.system_records set leaf_index = 0 where tenant_id = $1`, 'STRAY_ROW'],
  ])('that were changed are found by fsck: %s', async (_, attack, code) => {
    await send([
      { severity: 17, body: 'x' },
      { event: 'sworn.audit.event', attributes: { 'sworn.audit.actor.id': 'ada' } },
    ]);
    await house.sign(tenant);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(attack, [tenant]);
    await house.database.admin('set session_replication_role = origin');
    const { findings } = await house.check(tenant);
    expect(findings.map((finding) => finding.code)).toContain(code);
  });
});

it('a line of any shape is stored', async () => {
  const odd: Uint8Array[] = [
    message([]),
    lineBytes({ fields: [[5, message([])]] }),
    lineBytes({ attributes: { 'sworn.audit.decision': '', 'log.record.uid': '' } }),
    lineBytes({ event: 'x'.repeat(5_000), severityText: '\ud800' }),
    lineBytes({ timeNs: 2n ** 64n - 1n }),
    lineBytes({ fields: [[6, keyValue('event.name', Buffer.from([0x0a, 3, 0x61, 0x62, 0x63]))]] }),
  ];
  const { appended } = await send(odd);
  expect(appended.every(({ outcome }) => outcome === 'stored')).toBe(true);
  expect(await rows('system_records')).toHaveLength(odd.length);
  await sound();
});
