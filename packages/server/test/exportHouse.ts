import { setTimeout as sleep } from 'node:timers/promises';
import type { IssuedKey } from '../src/access/keys.js';
import { type Got, get } from './facadeClient.js';
import type { House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

/** A tenant with a run that is sealed and covered, and keys that read. */
export interface Exported {
  readonly tenant: string;
  readonly run: string;
  readonly auditor: IssuedKey;
  readonly reader: IssuedKey;
  /** Path of endpoint 6. */
  readonly path: string;
}

export async function withRun(house: House): Promise<Exported> {
  const tenant = await house.tenants.create({ name: 'acme' });
  const run = newTrace();
  await house.ingest(tenant, agentRun(run));
  await house.seal(tenant);
  await house.sign(tenant);
  return {
    tenant,
    run,
    auditor: await house.keys.issue({ tenantId: tenant, role: 'auditor' }),
    reader: await house.keys.issue({ tenantId: tenant, role: 'reader' }),
    path: `/api/v1/logs/llm-runs/${run}/export`,
  };
}

/** Asks until the bundle is there, or cannot be, while the house signs. */
export async function described(house: House, of: Exported, query = '', key = of.auditor.key): Promise<Got> {
  for (;;) {
    const got = await get(house, of.path + query, key);
    if (got.json.status !== 'PENDING') return got;
    await house.sign(of.tenant);
    await sleep(50);
  }
}

/** A download, byte for byte. */
export async function download(
  house: House,
  path: string,
  key: string | null,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly code: string | null;
}> {
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  const answer = await fetch(house.url + path, {
    method,
    headers: { 'accept-encoding': 'identity', ...authorization, ...headers },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isProblem = answer.headers.get('content-type') === 'application/problem+json' && bytes.length > 0;
  const code = isProblem ? (JSON.parse(bytes.toString('utf8')) as { readonly code: string }).code : null;
  return { status: answer.status, headers: answer.headers, bytes, code };
}
