import { IDENTITY_EVENTS } from '@sworn/contract';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { logsRequest, type Line } from './logLines.js';

const IDENTITY = '/api/v1/logs/audit/identity';
const RUNS = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let auditor: { readonly keyId: string; readonly key: string };
let reader: { readonly keyId: string; readonly key: string };

beforeAll(async () => {
  house = await buildHouse({ firstUses: true });
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  auditor = await house.keys.issue({ tenantId: tenant, role: 'auditor' });
  reader = await house.keys.issue({ tenantId: tenant, role: 'reader' });
});
afterAll(() => house.close());

// oxlint-disable-next-line typescript/no-explicit-any -- the contract suite holds answers against their schemas
type Item = any;

async function identity(query = ''): Promise<Item> {
  const { status, json, text } = await get(house, IDENTITY + query, auditor.key);
  expect(status, text).toBe(200);
  return json;
}
const report = (...lines: Line[]) => house.ingestLogs(tenant, { encoding: 'protobuf', body: logsRequest(lines) });
const shown = ({ items }: Item): string[] =>
  items.map((item: Item) => `${item.event_type} ${item.entity_id ?? item.actor_id}`);

describe('the list of identity', () => {
  it('shows what was done to Sworn’s own keys, their first use among it, once, whoever uses them again', async () => {
    await Promise.all([1, 2, 3].map(() => get(house, RUNS, reader.key)));
    await get(house, RUNS, reader.key);
    await house.keys.revoke(tenant, reader.keyId);
    expect(shown(await identity())).toEqual([
      `TOKEN_FIRST_USED ${auditor.keyId}`,
      `KEY_REVOKED ${reader.keyId}`,
      `TOKEN_FIRST_USED ${reader.keyId}`,
      `KEY_CREATED ${reader.keyId}`,
      `KEY_CREATED ${auditor.keyId}`,
    ]);
    const used = (await identity(`?event_type=TOKEN_FIRST_USED&entity_id=${reader.keyId}`)).items;
    expect(used).toMatchObject([
      {
        log: 'control',
        actor_type: 'SWORN',
        entity_type: 'KEY',
        method: 'API_KEY',
        use: 'READ',
        reported_by: null,
        metadata: { actor_basis: 'AUTHENTICATED', source_component: 'AccessRecorder' },
      },
    ]);
    expect((await house.check(tenant)).findings).toEqual([]);
  });

  it('does not use a key whose first use it could not record', async () => {
    house.breakRecorder(tenant);
    const refused = await get(house, RUNS, reader.key);
    expect([refused.status, refused.json.code]).toEqual([503, 'unavailable']);
    house.breakRecorder(false);
    expect((await get(house, RUNS, reader.key)).status).toBe(200);
    expect(shown(await identity('?event_type=TOKEN_FIRST_USED'))).toContain(`TOKEN_FIRST_USED ${reader.keyId}`);
  });

  it('shows sign-ins that producers report beside, as their claim, with people, addresses and sessions as tokens', async () => {
    await report({
      event: 'sworn.audit.identity.login_failed',
      attributes: {
        'sworn.audit.actor.id': 'ada@example.com',
        'sworn.audit.identity.method': 'oidc',
        'sworn.audit.identity.provider': 'okta',
        'client.address': '203.0.113.7',
        'sworn.audit.session.id': 'sess-77',
        'sworn.audit.decision': 'denied',
      },
    });
    const { items } = await identity('?event_type=LOGIN_FAILED');
    const token = expect.stringMatching(/^tok_[0-9a-f]{32}$/);
    expect(items).toMatchObject([
      {
        log: 'audit',
        actor_type: 'HUMAN',
        actor_id: token,
        method: 'oidc',
        identity_provider: 'okta',
        source: token,
        session: token,
        decision: 'DENY',
        reported_by: 'CLIENT',
        key_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        metadata: { actor_basis: 'CLAIMED', source_component: 'otlp:shop' },
      },
    ]);
    for (const query of ['?actor_id=ada@example.com', '?decision=DENY'])
      expect(shown(await identity(query))).toEqual([`LOGIN_FAILED ${items[0].actor_id}`]);
    const leaf = Buffer.concat(
      (await house.database.admin<{ leaf: Buffer }>(`select leaf from sworn.leaf where tenant_id = $1`, [tenant])).map(
        (row) => row.leaf,
      ),
    ).toString('utf8');
    expect(leaf).not.toMatch(/ada@|203\.0\.113|sess-77/);
    expect((await house.check(tenant)).findings).toEqual([]);
  });

  it('says which types of events nobody reports, so that none of them is no sign of quiet', async () => {
    const own = ['LOGIN', 'LOGIN_FAILED', 'TOKEN_FIRST_USED', 'KEY_CREATED', 'KEY_REVOKED'];
    const rest = IDENTITY_EVENTS.filter((type) => !own.includes(type));
    expect((await identity()).without_producer).toEqual(rest);
    await report({ event: 'sworn.audit.identity.login' }, { event: 'sworn.audit.identity.mfa_failed' });
    expect((await identity('?event_type=LOGOUT')).without_producer).toEqual(
      rest.filter((type) => type !== 'MFA_FAILED'),
    );
  });

  it('pages and tails over both logs, and leaves out what is no matter of identity', async () => {
    await report(
      { event: 'sworn.audit.note' },
      { event: 'sworn.audit.identity.login' },
      { event: 'sworn.audit.identity.logout' },
    );
    const all = shown(await identity());
    expect(all).toHaveLength(5);
    const tail = await identity('?order=asc&limit=3&include_total=true');
    expect(tail.total).toBe(5);
    const rest = await identity(`?order=asc&limit=3&cursor=${tail.next_cursor}`);
    expect([...shown(tail), ...shown(rest)]).toEqual(all.toReversed());
  });
});
