import { newSpan, newTrace, otlp } from './facadeSpans.js';
import type { House } from './facadeHouse.js';

/** A tenant with logs of some length, and keys that read for it. */
export interface LoggedTenant {
  readonly id: string;
  readonly auditor: string;
  readonly reader: string;
  readonly ingest: string;
  /** `/tlog/<tenant>/llm-runs/` */
  readonly prefix: string;
}

/** An answer, byte for byte after its coding. */
export interface GotBytes {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- a problem, which facade.test.ts checks
  readonly json: any;
}

export async function tenantWithLogs(house: House, spans: number): Promise<LoggedTenant> {
  const id = await house.tenants.create({ name: 'acme' });
  const keyOf = async (role: 'auditor' | 'reader' | 'ingest') => (await house.keys.issue({ tenantId: id, role })).key;
  const [auditor, reader, ingest] = [await keyOf('auditor'), await keyOf('reader'), await keyOf('ingest')];
  if (spans > 0) await grow(house, id, spans);
  return { id, auditor, reader, ingest, prefix: `/tlog/${id}/llm-runs/` };
}

/** Appends a step for each of `spans` spans of one trace, and signs. */
export async function grow(house: House, tenantId: string, spans: number, signed = true): Promise<void> {
  const traceId = newTrace();
  const root = newSpan();
  const more = Array.from({ length: spans - 1 }, (_, i) => ({
    spanId: newSpan(),
    parentSpanId: root,
    name: `step ${i}`,
  }));
  await house.ingest(tenantId, otlp([{ traceId, spanId: root }, ...more.map((span) => ({ traceId, ...span }))]));
  if (signed) await house.sign(tenantId);
}

export async function ask(
  house: Pick<House, 'url'>,
  path: string,
  key: string | null,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<GotBytes> {
  const answer = await fetch(house.url + path, {
    method,
    headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isJson = answer.headers.get('content-type')?.includes('json') === true && bytes.length > 0;
  return {
    status: answer.status,
    headers: answer.headers,
    bytes,
    json: isJson ? JSON.parse(bytes.toString('utf8')) : null,
  };
}

/** Leaves of a log as they are stored. */
export async function storedLeaves(house: House, tenantId: string, log = 'llm-runs') {
  return house.database.admin<{ leaf: Buffer; hash: Buffer }>(
    `select leaf, leaf_hash as hash from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
    [tenantId, log],
  );
}

/** What a superuser can do, past triggers and row-level security. */
export async function attack(house: House, text: string, values: unknown[] = []): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  try {
    await house.database.admin(text, values);
  } finally {
    await house.database.admin('set session_replication_role = origin');
  }
}
