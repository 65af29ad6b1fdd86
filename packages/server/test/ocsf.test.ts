import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIT_EVENTS, IDENTITY_EVENTS } from '@sworn/contract';
import { recordId } from '@sworn/evidence';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findingOf } from '../src/check/finding.js';
import { FALLBACK_ROW, GOVERNANCE_ROW, OCSF_CLASSES, OCSF_ROWS, type OcsfRow } from '../src/read/ocsfRows.js';
import type { LeafDraft } from '../src/record/draft.js';
import { ownLeaf } from '../src/record/ownLeaf.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { exported } from './exporting.js';
import { agentRun, newTrace } from './facadeSpans.js';
import { type IdentityProvider, startIdentityProvider } from './identityProvider.js';
import { type Line, logsRequest } from './logLines.js';
import { CLASSES, faultsOf } from './ocsfSchema.js';

const AUDIT = '/api/v1/logs/audit';
const LISTS = ['', '/identity', '/authorization', '/access'];
const CATEGORIES = [
  'THRESHOLD_CHECK',
  'POLICY_EVALUATION',
  'NEAR_BREACH',
  'VIOLATION',
  'OVERRIDE',
  'APPROVAL_REQUEST',
  'APPROVAL_DECISION',
  'EVALUATION',
];
const DECISIONS = ['allowed', 'denied', 'conditional', 'pending', undefined];

// oxlint-disable-next-line typescript/no-explicit-any -- events are held against the facts of OCSF's schema
type Json = any;

let house: House;
let tenant: string;
let auditor: string;
let dir: string;
let idp: IdentityProvider;

/** A token of a person's, for this audience. */
const tokenFor = (aud: string): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  const said = { iss: idp.issuer, sub: 'ada.lovelace', aud, iat: now, exp: now + 600, jti: crypto.randomUUID() };
  return idp.sign({ ...said, org: 'acme', roles: ['auditor'], sid: 'session-1' });
};

/** One tenant that has a record of each kind there is, and of producers' with and without what a class demands. */
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-ocsf-'));
  idp = await startIdentityProvider();
  house = await buildHouse({
    firstUses: true,
    async oidc(createTenant) {
      tenant = await createTenant('acme');
      const issuer = {
        name: 'acme-idp',
        issuer: idp.issuer,
        audience: ['https://sworn.example/'],
        algorithms: ['RS256'],
        tenant: { claim: ['org'], values: { acme: tenant } },
        roles: { claim: ['roles'], values: { auditor: 'auditor' } },
      };
      const path = join(dir, 'oidc.yaml');
      writeFileSync(path, JSON.stringify({ issuers: [issuer] }));
      return path;
    },
  });
  auditor = (await house.keys.issue({ tenantId: tenant, role: 'auditor' })).key;
  const reader = await house.keys.issue({ tenantId: tenant, role: 'reader' });
  const named = {
    'sworn.audit.actor.id': 'ada@example.com',
    'sworn.audit.entity.type': 'refund',
    'sworn.audit.entity.id': 'r-1',
    'sworn.audit.policy.id': 'refunds',
    'sworn.audit.policy.version': '3',
    'sworn.audit.rule.id': 'cap',
    'sworn.audit.run.id': 'run-1',
    'sworn.audit.correlation.id': 'case-17',
    'sworn.audit.identity.method': 'oidc',
    'sworn.audit.identity.provider': 'okta',
    'sworn.audit.source.address': '203.0.113.7',
    'sworn.audit.session.id': 'sess-77',
  };
  const agent = { ...named, 'sworn.audit.actor.type': 'AGENT', 'sworn.audit.actor.id': 'refunder' };
  const lines: Line[] = reportedEvents().flatMap((event) => [
    { event, severity: 9, attributes: named },
    { event, severity: 13, attributes: agent },
    { event, severity: 17 },
  ]);
  for (const category of CATEGORIES)
    for (const decision of DECISIONS)
      lines.push({
        event: 'sworn.audit.event',
        attributes: {
          ...named,
          'sworn.audit.category': category,
          ...(decision !== undefined && { 'sworn.audit.decision': decision }),
        },
      });
  await house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });
  // The same record again with other content: a conflict.
  const twice = (body: string) => ({ event: 'sworn.audit.note', body, attributes: { 'log.record.uid': 'u-1' } });
  for (const body of ['one', 'another'])
    await house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest([twice(body)]) });
  await house.keys.revoke(tenant, reader.keyId);
  await house.register.met([
    findingOf({ code: 'STRAY_ROW', tenantId: tenant, log: 'system', index: 7, table: 't', expected: 'a', found: 'b' }),
  ]);
  await house.register.summarise(tenant, [{ log: 'audit', size: 3, verified: 3 }]);
  await house.appendOwn(tenant, MADE_UP.map(madeUp));
  const run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
  await exported(house, { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'all' });
  await house.database.admin('set session_replication_role = replica');
  await house.database.admin(
    `update sworn.leaf set body = null where tenant_id = $1 and trace_id = decode($2, 'hex')`,
    [tenant, run],
  );
  await house.database.admin('set session_replication_role = origin');
  const failed = await exported(house, {
    tenantId: tenant,
    scope: { kind: 'RUN', runId: run },
    disclosure: 'all',
  }).catch(() => null);
  if (failed !== null) throw new Error('a run whose bodies are gone was exported');
  await get(house, AUDIT, auditor, { 'x-correlation-id': 'case-17' });
  await get(house, AUDIT, null);
  await get(house, AUDIT, await tokenFor('https://sworn.example/'));
  await get(house, AUDIT, await tokenFor('https://elsewhere.example/'));
  await get(house, `${AUDIT}?nonsense=1`, auditor);
  for (const method of ['POST', 'PUT', 'DELETE']) await get(house, AUDIT, auditor, {}, method);
  await get(house, AUDIT, auditor, { accept: 'application/x-ndjson' });
  for (let i = 0; i < 12; i++) await get(house, `${AUDIT}?nonsense=1`, auditor);
  house.advance(61_000);
  await house.access.settle();
}, 120_000);
afterAll(async () => {
  await house.close();
  await idp.close();
  rmSync(dir, { recursive: true });
});

/** Events of the vocabulary that producers can send. */
function reportedEvents(): readonly string[] {
  const text = readFileSync(new URL('../../../config/audit-vocabulary.yaml', import.meta.url), 'utf8');
  return [...text.matchAll(/- \{ event: (\S+), event_type/g)].map(([, event]) => event ?? '');
}

/** Kinds in `control` that this house does not write by itself, or that nothing writes in this version. */
const MADE_UP = [
  'SIGNING_KEY_ADDED',
  'SIGNING_KEY_RETIRED',
  'KEYS_CHECK',
  'SIGNER_ADOPTED',
  'LOG_RECOVERED',
  'CLOCK_ACCEPTED',
  'QUOTA_SET',
  'FINDING_CLEARED',
  'ERASURE',
  'RETENTION',
  'HOLD',
  'HOLD_RELEASED',
  'DATABASE_URL',
  'SUPERUSER_URL',
] as const;

/** A leaf of such a kind, with the subject that the checks expect of it. */
function madeUp(kind: (typeof MADE_UP)[number]): LeafDraft {
  const saying = ((): readonly [fields: Record<string, string>, subject: string | null] => {
    switch (kind) {
      case 'SIGNING_KEY_ADDED':
      case 'SIGNING_KEY_RETIRED':
        return [{ public_key: 'a key' }, 'a key'];
      case 'KEYS_CHECK':
        return [{}, 'tenant'];
      case 'SIGNER_ADOPTED':
      case 'LOG_RECOVERED':
        return [{ of_log: 'system', of_tenant: tenant }, house.read.originOf(tenant, 'system')];
      case 'QUOTA_SET':
        return [{ tenant_id: tenant }, tenant];
      case 'FINDING_CLEARED':
        return [{ id: 'fnd_x' }, 'fnd_x'];
      default:
        return [{}, null];
    }
  })();
  return ownLeaf({
    topic: 'control',
    origin: house.read.originOf(tenant, 'control'),
    kind,
    identity: kind === 'KEYS_CHECK' ? ['tenant'] : ['made up'],
    occurredAt: '2026-11-25T00:00:00.000000Z',
    fields: saying[0],
    projection: { table: 'control_records', kind, subject: saying[1] },
  });
}

async function crawl(path: string, format: 'ocsf' | null, key = auditor): Promise<Json[]> {
  const items: Json[] = [];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({
      limit: '100',
      recorded_before: '2999-01-01',
      ...(format !== null && { format }),
      ...(cursor !== null && { cursor }),
    });
    const { status, json, text } = await get(house, `${AUDIT}${path}?${query.toString()}`, key);
    expect(status, text).toBe(200);
    items.push(...json.items);
    cursor = json.next_cursor;
  } while (cursor !== null);
  return items;
}

/** What tells copies of an event. */
const keyOf = (event: Json): string => event.metadata.uid;

describe('records as events of OCSF', () => {
  it('are valid, whatever they are of: required attributes, types, numbers with their captions', async () => {
    const events = (await Promise.all(LISTS.map((list) => crawl(list, 'ocsf')))).flat();
    expect(events.flatMap((event) => faultsOf(event).map((fault) => `${event.metadata.event_code}: ${fault}`))).toEqual(
      [],
    );
    const seen = new Set(events.map((event) => event.metadata.event_code));
    const kinds = [...Object.values(AUDIT_EVENTS).flat(), ...IDENTITY_EVENTS, 'INCIDENT_LINKED', 'REVIEW', 'EVENT'];
    expect(kinds.filter((kind) => !seen.has(kind))).toEqual([]);
    // A record that names nobody and nothing is no sign-in of somebody and no change of something: it is an event of no class.
    expect(new Set(events.map((event) => event.class_uid))).toEqual(new Set(Object.keys(CLASSES).map(Number)));
  });

  it('lose nothing of what each list shows, and are the same event on each', async () => {
    const everywhere = new Map<string, string>();
    for (const list of LISTS) {
      const events = new Map((await crawl(list, 'ocsf')).map((event) => [keyOf(event), event]));
      for (const item of await crawl(list, null)) {
        const event = events.get(item.id);
        // Reads of this crawl came behind the other one's pin.
        if (event === undefined) continue;
        const { sworn } = event.unmapped;
        const own = {
          '': {},
          '/identity': sworn.identity,
          '/authorization': sworn.authorization,
          '/access': sworn.access,
        };
        const said = { ...sworn, ...own[list as keyof typeof own] };
        for (const [name, value] of Object.entries(withoutNulls(item)))
          if (name !== 'metadata') expect([list, name, said[name]]).toEqual([list, name, value]);
        expect(sworn.metadata.checksum).toBe(item.metadata.checksum);
        expect(sworn.log_origin).toBe(house.read.originOf(tenant, sworn.metadata.integrity.log));
        const { metadata: _, ...rest } = sworn;
        const text = JSON.stringify([event.type_uid, event.time, event.metadata, rest]);
        expect(everywhere.get(item.id) ?? text).toBe(text);
        everywhere.set(item.id, text);
      }
    }
    expect(everywhere.size).toBeGreaterThan(100);
  });

  it('say who asked for what, and how it was decided, as API activity', async () => {
    const events = await crawl('/access', 'ocsf');
    const refused = events.find((event) => event.http_response?.code === 405 && event.activity_name === 'Delete');
    expect(refused).toMatchObject({
      class_uid: 6003,
      type_uid: 600304,
      status: 'Failure',
      actor: { authorizations: [{ decision: 'DENY' }] },
      src_endpoint: { uid: expect.stringMatching(/^tok_/) },
    });
    const read = events.find((event) => event.metadata.correlation_uid !== undefined);
    expect(read).toMatchObject({
      api: { operation: 'audit.list', response: { code: 200 } },
      actor: {
        user: { type: 'API_KEY' },
        authorizations: [{ decision: 'ALLOW', policy: { name: expect.any(String), uid: 'logs.audit' } }],
      },
      status: 'Success',
    });
  });

  it('say who signed in to Sworn itself and by what, and that somebody failed to, as authentication', async () => {
    const own = (events: Json[], code: string): Json[] =>
      events.filter(({ metadata, unmapped }) => metadata.event_code === code && unmapped.sworn.log === 'control');
    const token = expect.stringMatching(/^tok_[0-9a-f]{32}$/);
    const events = await crawl('/identity', 'ocsf');
    expect(own(events, 'LOGIN')).toMatchObject([
      {
        class_uid: 3002,
        activity_id: 1,
        type_uid: 300201,
        status: 'Success',
        user: { uid: token },
        actor: { user: { uid: token }, idp: { name: 'acme-idp' } },
        service: { name: 'Sworn' },
        auth_protocol: 'OIDC',
        session: { uid: token },
        src_endpoint: { uid: token },
      },
    ]);
    const used = own(events, 'TOKEN_FIRST_USED');
    expect(used.length).toBeGreaterThan(0);
    for (const event of used)
      expect(event).toMatchObject({
        class_uid: 3002,
        activity_id: 99,
        activity_name: 'TOKEN_FIRST_USED',
        status: 'Success',
        auth_protocol: 'API_KEY',
        service: { name: 'Sworn' },
      });
    // Whoever shows a token that is not taken has proven no tenant, and is nobody.
    const { key } = await house.keys.issue({ tenantId: house.read.platformTenant, role: 'auditor' });
    const failed = own(await crawl('/identity', 'ocsf', key), 'LOGIN_FAILED');
    expect(failed).toMatchObject([
      { unmapped: { sworn: { decision: 'DENY', identity: { identity_provider: 'acme-idp' } } } },
    ]);
    expect(failed.flatMap((event) => faultsOf(event))).toEqual([]);
  });

  it('keep what a rule decided, and raise an alert of what it forbade only', async () => {
    const events = (await crawl('', 'ocsf')).filter((event) => event.unmapped.sworn.category !== undefined);
    const governance = events.filter((event) => event.metadata.profiles?.[0] === 'security_control');
    expect(new Set(governance.map((event) => event.finding_info.types[0]))).toEqual(new Set(CATEGORIES));
    expect(new Set(governance.map((event) => `${event.action} ${event.unmapped.sworn.decision ?? '-'}`))).toEqual(
      new Set(['Allowed ALLOW', 'Denied DENY', 'CONDITIONAL CONDITIONAL', 'PENDING PENDING', 'Unknown -']),
    );
    for (const event of governance)
      expect(event.is_alert).toBe(event.action === 'Denied' || event.finding_info.types[0] === 'VIOLATION');
  });

  it('go out one a line, with the closing line, and the cursor of one format goes on in the other', async () => {
    const { text } = await get(house, `${AUDIT}?format=ocsf&log=audit`, auditor, { accept: 'application/x-ndjson' });
    const lines: Json[] = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({ complete: true, count: lines.length - 1 });
    expect(lines.slice(0, -1).flatMap(faultsOf)).toEqual([]);
    const ids = lines.slice(0, -1).map(keyOf);
    const first = (await get(house, `${AUDIT}?log=audit&limit=5`, auditor)).json;
    const second = (await get(house, `${AUDIT}?log=audit&limit=5&format=ocsf&cursor=${first.next_cursor}`, auditor))
      .json;
    expect([...first.items.map((item: Json) => item.id), ...second.items.map(keyOf)]).toEqual(ids.slice(0, 10));
    expect(second.filters_applied).toEqual({ log: 'audit' });
    expect(second.metadata.integrity.logs).toEqual(first.metadata.integrity.logs);
  });

  it('are asked for by this one word, and not of an entry by its id', async () => {
    for (const list of [...LISTS, '/integrity', '/exports']) {
      const { status, json } = await get(house, `${AUDIT}${list}?format=cef`, auditor);
      expect([list, status, json.errors]).toEqual([
        list,
        400,
        [{ parameter: 'format', detail: 'must be one of ocsf' }],
      ]);
    }
    const id = recordId({ topic: 'control', generation: 1, index: 0 });
    expect((await get(house, `${AUDIT}/${id}?format=ocsf`, auditor)).status).toBe(400);
  });
});

describe('the state of the record as events of OCSF', () => {
  it('is a scan of each log, and a finding of each that is open, by the name it has in `control`', async () => {
    const native = (await get(house, `${AUDIT}/integrity`, auditor)).json;
    const { items, ...frame } = (await get(house, `${AUDIT}/integrity?format=ocsf`, auditor)).json;
    expect(items.flatMap(faultsOf)).toEqual([]);
    expect(Object.keys(frame).toSorted()).toEqual(['logs_withheld', 'metadata', 'more_findings', 'proof']);
    const scans = items.filter((event: Json) => event.class_uid === 6007);
    expect(scans.map((event: Json) => [event.metadata.uid, event.status_detail])).toEqual(
      native.logs.map((log: Json) => [log.origin, log.verdict]),
    );
    const [finding] = native.findings;
    const told = (await crawl('', 'ocsf')).find(
      (event) => event.metadata.event_code === 'FINDING' && event.finding_info.uid === finding.id,
    );
    expect(told).toMatchObject({ finding_info: { title: 'STRAY_ROW', types: ['V10'] }, severity: 'Critical' });
    expect(items.filter((event: Json) => event.finding_info?.uid === finding.id)).toMatchObject([
      { class_uid: 2004, severity: 'Critical', finding_info: { title: 'STRAY_ROW' } },
    ]);
    await house.sign(tenant);
    const proved = (await get(house, `${AUDIT}/integrity?format=ocsf&log=audit&leaf_index=0`, auditor)).json;
    expect(proved.proof).toMatchObject({ kind: 'inclusion', log: 'audit', leaf_index: 0 });
  });
});

describe('a record that is not as it was written', () => {
  it('is an event too: a critical finding in its place', async () => {
    const other = await house.tenants.create({ name: 'damaged' });
    const { key } = await house.keys.issue({ tenantId: other, role: 'auditor' });
    await get(house, AUDIT, key);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(`update sworn.access_records set decision = 'DENY' where tenant_id = $1`, [other]);
    await house.database.admin('set session_replication_role = origin');
    const { json } = await get(house, `${AUDIT}?format=ocsf&log=access&order=asc`, key);
    expect(json.items.flatMap(faultsOf)).toEqual([]);
    expect(json.items[0]).toMatchObject({
      class_name: 'Detection Finding',
      severity: 'Critical',
      finding_info: { title: 'PROJECTION_MISMATCH', types: ['V6'] },
      metadata: { uid: recordId({ topic: 'access', generation: 1, index: 0 }) },
      unmapped: { sworn: { compromised: true } },
    });
  });
});

describe('docs/ocsf.md', () => {
  it('shows the table that events are made by', () => {
    const page = readFileSync(new URL('../../../docs/ocsf.md', import.meta.url), 'utf8');
    const line = (what: string, { class: name, activity }: OcsfRow): string => {
      const { uid, name: caption, activities } = OCSF_CLASSES[name];
      const word = (activities as Readonly<Record<number, string>>)[activity] ?? 'Other';
      return `| ${what} | ${caption} ${uid} | ${word} ${activity} |`;
    };
    const rows = [
      ...Object.entries(OCSF_ROWS).map(([type, row]) => line(`\`${type}\``, row)),
      line('any with a category of governance', GOVERNANCE_ROW),
      line('any other', FALLBACK_ROW),
    ];
    expect(page.split('\n').filter((text) => /^\| (`[A-Z_]+`|any )/.test(text))).toEqual(rows);
  });
});

/** Members that are null are left out of an event. */
function withoutNulls(value: Json): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null)
      .map(([name, member]) => [name, withoutNulls(member)]),
  );
}
