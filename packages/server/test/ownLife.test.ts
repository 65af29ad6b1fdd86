import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../src/app.js';
import type { Config } from '../src/config.js';
import type { Deployment } from '../src/deployment.js';
import { fsck } from '../src/fsck.js';
import { acceptClock } from '../src/operate.js';
import { rotateSigner } from '../src/rotateSigner.js';
import type { Members } from './deploymentHouse.js';
import { newRunningSite, type RunningSite } from './runningSite.js';

const WAIT = { timeout: 60_000, interval: 100 };
let site: RunningSite;
let deployment: Deployment;
beforeAll(async () => {
  site = await newRunningSite();
  deployment = await site.open();
}, 120_000);
afterAll(() => site.drop());

const told = () => site.leaves(deployment.platformTenant, 'system');
const names = async (): Promise<unknown[]> => (await told()).map((leaf) => leaf['event_name']);
const named = (leaves: readonly Members[], name: string) => leaves.filter((leaf) => leaf['event_name'] === name);

/** A server's whole life, as soon as its start is recorded. */
async function live(config: Config = site.config, work: (app: RunningApp) => Promise<void> = async () => {}) {
  const before = named(await told(), 'sworn.started').length;
  const app = await site.start(config);
  await expect.poll(async () => named(await told(), 'sworn.started').length, WAIT).toBe(before + 1);
  await work(app);
  await site.stop(app);
}

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

async function ask(
  app: RunningApp,
  key: string,
  query = '',
): Promise<{ items: Item[]; metadata: Item; total?: number }> {
  const answer = await fetch(`${app.addresses.http}/api/v1/logs/system${query}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  expect(answer.status).toBe(200);
  return answer.json() as never;
}

describe('Sworn’s own life', () => {
  it('is start and stop of each server, by the name of the process, and a schema once', async () => {
    await live();
    await live();
    expect(await names()).toEqual([
      'sworn.migrated',
      'sworn.started',
      'sworn.stopped',
      'sworn.started',
      'sworn.stopped',
    ]);
    const leaves = await told();
    expect(leaves.every((leaf) => leaf['by'] === 'sworn' && leaf['component'] === 'sworn')).toBe(true);
    const [first, second] = named(leaves, 'sworn.started');
    const stops = named(leaves, 'sworn.stopped').map((leaf) => leaf['instance']);
    expect(stops).toEqual([first?.['instance'], second?.['instance']]);
    expect(first?.['instance']).not.toBe(second?.['instance']);
    expect(first).toMatchObject({ kind: 'STARTUP', severity: 'INFO', shared: true, schema: expect.any(Number) });
  });

  it('is a change of the configuration, by the names of what changed, and never its values', async () => {
    const rules = join(site.dir, 'rules.yaml');
    writeFileSync(rules, 'version: 1\ndrop:\n  - id: our_token\n    keys: [our.token]\n');
    const secret = { SWORN_WATCH_TOKEN: 'a-token' };
    const changes: [Record<string, string>, string[]][] = [
      [secret, []],
      [{ ...secret, SWORN_SEAL_GRACE_MS: '11000' }, ['SWORN_SEAL_GRACE_MS']],
      [{ SWORN_SEAL_GRACE_MS: '11000', SWORN_REDACTION_FILE: rules }, ['SWORN_REDACTION_FILE']],
      [{}, ['SWORN_SEAL_GRACE_MS', 'SWORN_REDACTION_FILE']],
    ];
    for (const [settings, changed] of changes) {
      const before = named(await told(), 'sworn.configuration.changed').length;
      await live(site.with(settings));
      const found = named(await told(), 'sworn.configuration.changed').slice(before);
      expect(found.map((leaf) => leaf['changed'])).toEqual(changed.length === 0 ? [] : [changed]);
    }
    expect(JSON.stringify(await told())).not.toMatch(/"11000"|a-token|rules\.yaml|localhost|127\.0\.0\.1/);
  });

  it('is what commands do to keys, tenants, signer and clock, in a fixed vocabulary', async () => {
    const before = (await told()).length;
    const tenant = await deployment.tenants.create({ name: 'acme of ada@example.com' });
    const { keyId } = await deployment.keys.issue({ tenantId: tenant, role: 'reader', label: 'ada’s' });
    await deployment.keys.revoke(tenant, keyId);
    await rotateSigner(deployment);
    await acceptClock(deployment);
    const leaves = (await told()).slice(before);
    expect(leaves.map((leaf) => [leaf['event_name'], leaf['kind'], leaf['shared'] ?? false])).toEqual([
      ['sworn.tenant.created', 'AUTH_CHANGE', false],
      ['sworn.key.created', 'AUTH_CHANGE', false],
      ['sworn.key.revoked', 'AUTH_CHANGE', false],
      ['sworn.signer.rotated', 'AUTH_CHANGE', true],
      ['sworn.clock.accepted', 'CONFIG_CHANGE', true],
    ]);
    for (const id of [tenant, keyId, 'ada@', 'ada’s']) expect(JSON.stringify(leaves)).not.toContain(id);
  });

  it('is shown to every tenant beside its own records, but for what is about one tenant', async () => {
    const tenant = await deployment.tenants.create({ name: 'acme' });
    const key = async (tenantId: string, role: 'reader' | 'ingest') =>
      (await deployment.keys.issue({ tenantId, role })).key;
    const { platformTenant } = deployment;
    const [reader, ingest] = [await key(tenant, 'reader'), await key(tenant, 'ingest')];
    const [ofPlatform, toPlatform] = [await key(platformTenant, 'reader'), await key(platformTenant, 'ingest')];
    await live(site.config, async (app) => {
      const send = async (as: string, body: string): Promise<void> => {
        const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'sworn' } }] };
        const logRecords = [{ eventName: 'sworn.started', body: { stringValue: body } }];
        const answer = await fetch(`${app.addresses.otlpHttp}/v1/logs`, {
          method: 'POST',
          headers: { 'x-api-key': as, 'content-type': 'application/json' },
          body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }),
        });
        expect(answer.status).toBe(200);
      };
      await send(toPlatform, 'operators only');
      await send(ingest, 'ours');
      const { items, metadata, total } = await ask(app, reader, '?include_total=true&limit=100');
      expect(total).toBe(items.length);
      const [mine] = items;
      expect(mine).toMatchObject({ scope: 'TENANT', summary: 'ours', component: 'sworn' });
      expect(mine.metadata).toMatchObject({
        tenant_id: tenant,
        actor_basis: 'CLAIMED',
        source_component: 'otlp:sworn',
      });
      const shared = items.slice(1);
      expect(new Set(shared.map((item) => item.event_name))).toEqual(
        new Set([
          'sworn.migrated',
          'sworn.started',
          'sworn.stopped',
          'sworn.configuration.changed',
          'sworn.signer.rotated',
          'sworn.clock.accepted',
        ]),
      );
      for (const item of shared)
        expect([item.scope, item.metadata.tenant_id, item.metadata.source_component]).toEqual([
          'PLATFORM',
          'platform',
          'SystemRecordWriter',
        ]);
      expect(shared.at(-1)).toMatchObject({ summary: 'The database was brought to the schema of this version' });
      expect(metadata).toMatchObject({ tenant_id: tenant });
      expect(metadata.integrity.logs.map(({ log }: Item) => log)).toEqual(['system', 'platform/system']);
      // A walk in small pages gives each once; so does either scope alone.
      const crawled: Item[] = [];
      for (let cursor = ''; ; ) {
        const page: Item = await ask(app, reader, `?limit=3${cursor}`);
        crawled.push(...page.items);
        if (!page.has_more) break;
        cursor = `&cursor=${page.next_cursor}`;
      }
      const placeOf = (item: Item) => `${item.scope} ${item.id}`;
      expect(crawled.map(placeOf)).toEqual(items.map(placeOf));
      for (const [query, expected] of [
        ['scope=PLATFORM&limit=100', shared],
        ['scope=TENANT', [mine]],
        ['component=sworn&event_type=MIGRATION', shared.slice(-1)],
      ] as const)
        expect((await ask(app, reader, `?${query}`)).items.map(placeOf), query).toEqual(expected.map(placeOf));
      // The platform's own tenant has all of it in its own log.
      const all = await ask(app, ofPlatform, '?limit=100&scope=TENANT');
      expect(new Set(all.items.map((item) => item.summary))).toEqual(
        new Set(['operators only', 'A tenant was created', 'A key was created', 'A key was revoked']),
      );
    });
  });

  it('stands to every check', async () => {
    const report = await fsck(site.config, { tenant: null, log: null });
    expect(report.findings).toEqual([]);
  });

  it('is a finding, and never something else, where it was changed', async () => {
    const tenant = await deployment.tenants.create({ name: 'acme' });
    const { key } = await deployment.keys.issue({ tenantId: tenant, role: 'reader' });
    await site.attack(
      `update sworn.system_records set shared = true where tenant_id = $1 and event_type = 'AUTH_CHANGE'`,
      [deployment.platformTenant],
    );
    await live(site.config, async (app) => {
      const { items } = await ask(app, key, '?scope=PLATFORM&event_type=AUTH_CHANGE&limit=100');
      const shown = items.filter((item) => item.compromised !== true).map((item) => item.event_name);
      expect(shown).toEqual(['sworn.signer.rotated']);
      expect(items.length).toBeGreaterThan(1);
      expect(JSON.stringify(items)).not.toContain('sworn.key');
    });
  });
});
