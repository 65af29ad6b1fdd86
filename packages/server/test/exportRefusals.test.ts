import { token } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exportRun } from '../src/export/exportRun.js';
import { accessRecords } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

const REQUEST = { endpoint: 'cli:export', method: 'CLI', credential: null, source: 'local:test', purpose: null };
let house: House;
let tenant: string;
let run: string;

beforeAll(async () => {
  house = await buildHouse();
});
afterAll(() => house.close());
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  run = newTrace();
  await house.ingest(tenant, agentRun(run));
});

const tried = (runId: string, deps = house.exporting) =>
  exportRun(deps, { tenantId: tenant, scope: { kind: 'RUN', runId }, disclosure: 'none' }, REQUEST);
const records = () => accessRecords(house, tenant);

describe('an export that is refused', () => {
  it('is on record as a refused attempt where there was nothing yet to export: what was named stands as a token', async () => {
    await expect(tried('nobody')).rejects.toMatchObject({ code: 'not_found' });
    await house.seal(tenant);
    await expect(tried(run)).rejects.toMatchObject({ code: 'not_covered' });
    const { pseudonym } = await house.keyStore.tenant(tenant);
    const common = { kind: 'READ', endpoint: 'cli:export', decision: 'DENY', source: token(pseudonym, 'local:test') };
    expect(await records()).toMatchObject([
      { ...common, reason_code: 'not_found', status: 404, filters: { run_id: token(pseudonym, 'nobody') } },
      { ...common, reason_code: 'not_covered', status: 409, filters: { run_id: token(pseudonym, run) } },
    ]);
    expect(JSON.stringify(await records())).not.toContain('nobody');
  });

  it('says of a failure the status that goes with its reason', async () => {
    await house.seal(tenant);
    await house.sign(tenant);
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      'update sworn.leaf set body = set_byte(body, 30, get_byte(body, 30) # 1) where tenant_id = $1 and body is not null',
      [tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    const asked = { tenantId: tenant, scope: { kind: 'RUN', runId: run }, disclosure: 'all' } as const;
    await expect(exportRun(house.exporting, asked, REQUEST)).rejects.toMatchObject({ code: 'evidence_compromised' });
    expect(await records()).toMatchObject([
      { kind: 'EXPORT_PENDING', status: 200 },
      { kind: 'EXPORT_FAILED', reason_code: 'evidence_compromised', status: 409 },
    ]);
  });

  it('is refused for its size before it is said to be built', async () => {
    await house.seal(tenant);
    await house.sign(tenant);
    await expect(tried(run, { ...house.exporting, maxArchiveBytes: 1 << 20 })).rejects.toMatchObject({
      code: 'too_large',
    });
    expect(await records()).toMatchObject([
      { kind: 'EXPORT_PENDING' },
      { kind: 'EXPORT_FAILED', reason_code: 'too_large', status: 409 },
    ]);
  });
});
