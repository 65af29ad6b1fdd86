import { readFileSync } from 'node:fs';
import { FACADE_PREFIX } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PROJECTION_COLUMNS } from '../src/store/projection.js';
import { buildTenantPair, type Party, SHARED, storedLeaves, type TenantPair } from './tenantPair.js';

/**
 * INV-LOG-PROD-001: every record has one owner (CONTRACT.md 7). Which kinds there are, in which log, and whether a producer or Sworn writes
 * them is read from the table of kinds in docs/spec/leaf.md; what is stored is held against it.
 */

/** Who writes the rows of each table, and the topics of their leaves. A table that is added does not compile before it has an owner. */
const OWNERS: Readonly<Record<keyof typeof PROJECTION_COLUMNS, { readonly owner: string; readonly topic: string }>> = {
  llm_run_records: { owner: 'TraceStore', topic: 'llm-runs' },
  run_members: { owner: 'TraceStore', topic: 'llm-runs' },
  resources: { owner: 'SystemRecordWriter', topic: 'system' },
  system_records: { owner: 'SystemRecordWriter', topic: 'system' },
  telemetry_batches: { owner: 'TelemetryWriter', topic: 'system' },
  audit_ledger: { owner: 'AuditLedgerWriter', topic: 'audit' },
  access_records: { owner: 'AccessRecorder', topic: 'access' },
  control_records: { owner: 'AccessRecorder', topic: 'control' },
};

/** Names that are Sworn's own (CONTRACT.md 2). */
const RESERVED = [
  ...new Set(Object.values(OWNERS).map(({ owner }) => owner)),
  'LogExportService',
  'LogsFacade',
  'otlp',
] as const;

/** A kind of leaf, by the table of docs/spec/leaf.md. */
interface Kind {
  readonly kind: string;
  readonly topic: string;
  readonly by: string;
}
const OF_PLATFORM = ' of the platform';
const KINDS = kindsOf(readFileSync(new URL('../../../docs/spec/leaf.md', import.meta.url), 'utf8'));
const nameOf = ({ kind, topic, by }: Kind): string => `${kind} ${topic} ${by}`;

let pair: TenantPair;
let victim: Party;
beforeAll(async () => {
  pair = await buildTenantPair();
  victim = pair.ours;
  await pair.fill(victim);
}, 120_000);
afterAll(() => pair?.close());

/** Rows of its table: `| **KIND** and OTHERS `log` `log` by | …`. */
function kindsOf(page: string): readonly Kind[] {
  return page.split('\n').flatMap((line) => {
    const [, head = ''] = /^\| (\*\*[A-Z_]+\*\*[^|]*)\|/.exec(line) ?? [];
    const by = / (producer|sworn)\b/.exec(head)?.[1] ?? '';
    // The platform's `system` is a log of its own, in which Sworn alone writes.
    const whose = head.includes('of the platform') ? OF_PLATFORM : '';
    const topics = [...head.matchAll(/`([a-z-]+)`/g)].map(([, topic = '']) => topic + whose);
    const kinds = [...head.matchAll(/\b[A-Z][A-Z_]{2,}\b/g)].map(([kind]) => kind);
    return topics.flatMap((topic) => kinds.map((kind) => ({ kind, topic, by })));
  });
}

async function stored(tenantId: string): Promise<readonly Kind[]> {
  const rows = await storedLeaves(pair.house, tenantId);
  return rows.map(({ log, members }) => ({
    kind: String(members['kind']),
    topic: `${log.split('.')[0]}${tenantId === pair.house.platformTenant && log.startsWith('system') ? OF_PLATFORM : ''}`,
    by: String(members['by']),
  }));
}

describe('INV-LOG-PROD-001: a record', () => {
  it('is of a kind that the specification of leaves has, in the log and by whom it says', async () => {
    const known = new Set(KINDS.map(nameOf));
    expect(known.size).toBeGreaterThan(30);
    const found = [...(await stored(victim.id)), ...(await stored(pair.house.platformTenant))].map(nameOf);
    expect(new Set(found).size).toBeGreaterThan(10);
    expect([...new Set(found)].filter((name) => !known.has(name))).toEqual([]);
  });

  it('of one kind in one log has one that may write it', () => {
    const writers = new Map<string, Set<string>>();
    for (const { kind, topic, by } of KINDS) {
      const place = `${kind} ${topic}`;
      writers.set(place, (writers.get(place) ?? new Set()).add(by));
    }
    expect([...writers].filter(([, by]) => by.size !== 1)).toEqual([]);
  });

  it('has its row in the one table whose owner it is of', async () => {
    const tablesOf = new Map<string, string[]>();
    for (const [table, { topic }] of Object.entries(OWNERS)) {
      const rows = await pair.house.database.admin<{ topic: string; kind: string }>(
        `select distinct split_part(p.log, '.', 1) as topic, l.kind from sworn.${table} p
           join sworn.leaf l on (l.tenant_id, l.log, l.leaf_index) = (p.tenant_id, p.log, p.leaf_index)`,
      );
      expect(rows.length, table).toBeGreaterThan(0);
      for (const row of rows) {
        expect(row.topic, table).toBe(topic);
        const place = `${row.kind} ${row.topic}`;
        tablesOf.set(place, [...(tablesOf.get(place) ?? []), table]);
      }
    }
    expect([...tablesOf].filter(([, tables]) => tables.length > 1)).toEqual([]);
  });

  it('says in answers whose it is: a producer’s never the name of one of ours', async () => {
    const sources = new Set<string>();
    for (const path of ['/llm-runs', '/system', '/audit'] as const) {
      const got = await pair.ask(victim, `${FACADE_PREFIX}${path}?limit=100`);
      for (const { metadata } of got.json.items) {
        const { log, leaf_index } = metadata.integrity;
        const [leaf] = (await storedLeaves(pair.house, victim.id)).filter(
          (row) => row.log === log && row.index === leaf_index,
        );
        const isProducers = leaf?.members['by'] === 'producer';
        sources.add(metadata.source_component as string);
        expect(metadata.source_component, path).toMatch(isProducers ? /^otlp(:|$)/ : /^[A-Z]\w+$/);
      }
    }
    expect(sources.size).toBeGreaterThan(2);
  });
});

describe('INV-LOG-PROD-001: a producer that speaks as if it were Sworn', () => {
  /** Leaves of the logs that are Sworn's alone. */
  const own = async () =>
    (await storedLeaves(pair.house, victim.id)).filter(({ log }) => /^(access|control)/.test(log));
  const ownRows = () =>
    pair.house.database.admin<{ rows: string }>(
      `select (select count(*) from sworn.access_records) || ' ' || (select count(*) from sworn.control_records) || ' ' ||
              (select count(*) from sworn.api_key) || ' ' || (select count(*) from sworn.tenant) as rows`,
    );

  it('gets records of its own, and neither key, finding, hold nor removal comes of it', async () => {
    const [before, rows] = [await own(), await ownRows()];
    const ofSworn = KINDS.filter(({ by }) => by === 'sworn').map(({ kind }) => kind);
    expect(ofSworn).toContain('KEY_REVOKED');
    for (const scopes of [[], ['ingest:assert']]) {
      for (const service of RESERVED) {
        await pair.house.ingestLogs(victim.id, { encoding: 'json', body: pretending(service, ofSworn) }, { scopes });
        await pair.house.ingest(victim.id, { encoding: 'json', body: pretendingSpan(service, ofSworn) }, scopes);
      }
    }
    await pair.house.seal(victim.id);
    await pair.house.sign(victim.id);
    expect(await own()).toEqual(before);
    expect(await ownRows()).toEqual(rows);
    const known = new Set(KINDS.map(nameOf));
    expect([...new Set((await stored(victim.id)).map(nameOf))].filter((name) => !known.has(name))).toEqual([]);
    expect((await pair.house.check(victim.id)).findings).toEqual([]);
    // Its keys still open what they opened.
    expect((await pair.ask(victim, `${FACADE_PREFIX}/llm-runs`)).status).toBe(200);
  });

  it('is shown under the name of its service, marked as a producer’s', async () => {
    for (const path of ['/system?limit=100', '/audit?log=audit&limit=100']) {
      const { json } = await pair.ask(victim, `${FACADE_PREFIX}${path}`);
      const components = json.items.map(({ metadata }: any) => metadata.source_component as string);
      expect(components, path).toContain(`otlp:${RESERVED.at(-1)}`);
      expect(components.filter((component: string) => !component.startsWith('otlp:'))).toEqual([]);
    }
  });
});

const attribute = (key: string, value: string): object => ({ key, value: { stringValue: value } });

/** Everything that members of Sworn's own leaves are called, claimed as attributes. */
const claims = (kind: string): object[] =>
  Object.entries({
    kind,
    by: 'sworn',
    log: 'control',
    source_component: 'AccessRecorder',
    'sworn.kind': kind,
    'sworn.by': 'sworn',
    'sworn.origin': 'SYSTEM',
    'sworn.source_component': 'AccessRecorder',
    'event.domain': 'sworn.control',
    of: 'llm-runs',
    below: '999999999',
    hold: 'hold-1',
    mac: '0'.repeat(64),
    'sworn.run.id': SHARED.run_id,
  }).map(([key, value]) => attribute(key, value));

/** Log records named as each kind, in every spelling that a vocabulary might take for it. */
function pretending(service: string, kinds: readonly string[]): Uint8Array {
  const names = (kind: string): string[] => {
    const lower = kind.toLowerCase();
    return [kind, lower, `sworn.${lower}`, `sworn.control.${lower}`, `sworn.access.${lower}`, `sworn.audit.${lower}`];
  };
  const logRecords = [
    ...kinds.flatMap((kind) => names(kind).map((name) => [kind, name] as const)),
    ['', 'sworn.audit.note'] as const,
  ].map(([kind, eventName]) => ({
    timeUnixNano: '1795132800050000000',
    eventName,
    body: { stringValue: `{"kind":"${kind}"}` },
    attributes: [attribute('event.name', eventName), ...claims(kind)],
  }));
  return request('resourceLogs', 'scopeLogs', 'logRecords', { service, items: logRecords });
}

function pretendingSpan(service: string, kinds: readonly string[]): Uint8Array {
  const spans = kinds.map((kind, n) => ({
    traceId: 'ef'.repeat(16),
    spanId: `${n + 1}`.padStart(16, '0'),
    name: kind,
    startTimeUnixNano: '1795132800000000000',
    endTimeUnixNano: '1795132800050000000',
    attributes: claims(kind),
  }));
  return request('resourceSpans', 'scopeSpans', 'spans', { service, items: spans });
}

function request(
  group: string,
  scoped: string,
  member: string,
  { service, items }: { readonly service: string; readonly items: readonly object[] },
): Uint8Array {
  const resource = { attributes: [attribute('service.name', service), ...claims('RESOURCE')] };
  return Buffer.from(
    JSON.stringify({ [group]: [{ resource, [scoped]: [{ scope: { name: service }, [member]: items }] }] }),
  );
}
