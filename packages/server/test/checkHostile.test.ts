import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDeployment } from '../src/check/engine.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newTrace } from './facadeSpans.js';

let house: House;
let tenant: string;

beforeEach(async () => {
  house = await buildHouse();
  tenant = await house.tenants.create({ name: 'acme' });
  const trace = newTrace();
  for (const one of [trace, newTrace()]) await house.ingest(tenant, agentRun(one));
  // The same span again, with other bytes.
  const other = agentRun(trace);
  const first = await house.database.admin<{ span: string }>(
    `select encode(substring(event_key from 17 for 8), 'hex') as span from sworn.leaf where tenant_id = $1 and encode(trace_id, 'hex') = $2 order by leaf_index limit 1`,
    [tenant, trace],
  );
  const body = JSON.parse(other.body.toString()) as {
    resourceSpans: { scopeSpans: { spans: { spanId: string; name: string }[] }[] }[];
  };
  const [span] = body.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
  if (span !== undefined) [span.spanId, span.name] = [first[0]?.span ?? '', 'another'];
  await house.ingest(tenant, { ...other, body: Buffer.from(JSON.stringify(body)) });
  await house.seal(tenant);
  await house.sign(tenant);
  house.checking.keys.clear();
});
afterEach(() => house.close());

/** As a superuser whom no trigger binds, and who takes down what constrains him. */
async function tamper(...statements: readonly string[]): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  for (const statement of statements) await house.database.admin(statement, statement.includes('$1') ? [tenant] : []);
}

const told = async () =>
  (await house.check(tenant)).findings.map(({ code, log, index, table }) => `${code} ${log} ${index} ${table}`);

const HERE = `tenant_id = $1 and log = 'llm-runs'`;
const copyOf = (table: string, columns: string, at: string) =>
  `insert into sworn.${table} (${columns}) select ${columns.replace(/leaf_index|first_index|\bsize\b/, at)} from sworn.${table} where ${HERE} limit 1`;
const MEMBER = 'tenant_id, log, leaf_index, run_id, trace_id, whole';
const dropNotNull = (table: string, column: string) => `alter table sworn.${table} alter ${column} drop not null`;
const LEAF = `insert into sworn.leaf select tenant_id, log, #, kind, leaf, leaf_hash, sha256('x'), trace_id, run_id, occurred_at, recorded_at, body, digest, dk from sworn.leaf where ${HERE} limit 1`;

/** What is done, and one of the findings that must be told. */
const STRIKES: readonly (readonly [name: string, finding: string, ...statements: readonly string[]])[] = [
  ['a row before the first leaf', 'BEYOND_HEAD llm-runs -1 run_members', copyOf('run_members', MEMBER, '-1')],
  [
    'a leaf before the first',
    'BEYOND_HEAD llm-runs -1 leaf',
    'alter table sworn.leaf drop constraint leaf_leaf_index_check',
    LEAF.replace('#', '-1'),
  ],
  [
    'a batch before the first leaf',
    'BEYOND_HEAD llm-runs -5 batch_authenticator',
    'alter table sworn.batch_authenticator drop constraint batch_authenticator_first_index_check',
    copyOf('batch_authenticator', 'tenant_id, log, first_index, count, root_before, root_after, at, mac', '-5'),
  ],
  [
    'a checkpoint of nothing',
    'BEYOND_HEAD llm-runs 0 checkpoint',
    'alter table sworn.checkpoint drop constraint checkpoint_size_check',
    copyOf('checkpoint', 'tenant_id, log, size, root, note, signed_at', '0'),
  ],
  [
    'a tile of a level that no log has',
    'BEYOND_HEAD llm-runs 0 tile',
    'alter table sworn.tile drop constraint tile_level_check',
    `insert into sworn.tile values ($1, 'llm-runs', 9, 0, decode(repeat('ab', 8192), 'hex'))`,
  ],
  [
    'a leaf without bytes',
    'LEAF_HASH_MISMATCH llm-runs 1 leaf',
    dropNotNull('leaf', 'leaf'),
    `update sworn.leaf set leaf = null where ${HERE} and leaf_index = 1`,
  ],
  ...['leaf_hash', 'kind', 'recorded_at', 'event_key', 'digest'].map(
    (column) =>
      [
        `a leaf without ${column}`,
        'COLUMN_MISMATCH llm-runs 1 leaf',
        dropNotNull('leaf', column),
        `update sworn.leaf set ${column} = null where ${HERE} and leaf_index = 1`,
      ] as const,
  ),
  [
    'a head without a root',
    'HEAD_MISMATCH llm-runs # log_head',
    dropNotNull('log_head', 'root'),
    `update sworn.log_head set root = null where ${HERE}`,
  ],
  [
    'a batch without a MAC',
    'AUTHENTICATOR_MISMATCH llm-runs 0 batch_authenticator',
    dropNotNull('batch_authenticator', 'mac'),
    `update sworn.batch_authenticator set mac = null where ${HERE} and first_index = 0`,
  ],
  [
    'a checkpoint without its note',
    'CHECKPOINT_INVALID llm-runs # checkpoint',
    dropNotNull('checkpoint', 'note'),
    `update sworn.checkpoint set note = null where ${HERE}`,
  ],
  [
    'a batch at the end of time',
    'AUTHENTICATOR_MISMATCH llm-runs 0 batch_authenticator',
    `update sworn.batch_authenticator set at = 'infinity' where ${HERE} and first_index = 0`,
  ],
  [
    'a batch of a year with five digits',
    'AUTHENTICATOR_MISMATCH llm-runs 0 batch_authenticator',
    `update sworn.batch_authenticator set at = '20000-01-01' where ${HERE} and first_index = 0`,
  ],
  [
    'a batch of more leaves than can be counted',
    'AUTHENTICATOR_MISMATCH llm-runs 0 batch_authenticator',
    `update sworn.batch_authenticator set count = 9223372036854775807 where ${HERE} and first_index = 0`,
  ],
  [
    'a head at the end of time',
    'HEAD_MISMATCH llm-runs # log_head',
    `update sworn.log_head set last_recorded_at = 'infinity' where ${HERE}`,
  ],
  [
    'a head beyond all numbers',
    'HEAD_MISMATCH llm-runs # log_head',
    `update sworn.log_head set next_index = 9223372036854775807 where ${HERE}`,
  ],
  [
    'a leaf at the end of all numbers, and a head there',
    'HEAD_MISMATCH llm-runs #+1 log_head',
    LEAF.replace('#', '9223372036854775806'),
    `update sworn.log_head set next_index = 9223372036854775807 where ${HERE}`,
  ],
  [
    'a batch far away, and a head there',
    'HEAD_MISMATCH llm-runs # log_head',
    copyOf(
      'batch_authenticator',
      'tenant_id, log, first_index, count, root_before, root_after, at, mac',
      '1000000000000',
    ),
    `update sworn.log_head set next_index = 1000000000001 where ${HERE}`,
  ],
  [
    'a leaf beyond all numbers',
    'BEYOND_HEAD llm-runs 9223372036854776000 leaf',
    LEAF.replace('#', '9223372036854775807'),
  ],
  [
    'a checkpoint beyond all numbers',
    'BEYOND_HEAD llm-runs 9223372036854776000 checkpoint',
    copyOf('checkpoint', 'tenant_id, log, size, root, note, signed_at', '9223372036854775807'),
  ],
  [
    'a head under another topic',
    'HEAD_MISMATCH llm-runs null log_head',
    'alter table sworn.log_head drop constraint log_head_check',
    `update sworn.log_head set topic = 'audit' where ${HERE}`,
  ],
  [
    'a head of another generation',
    'HEAD_MISMATCH llm-runs null log_head',
    'alter table sworn.log_head drop constraint log_head_check',
    `update sworn.log_head set generation = 7 where ${HERE}`,
  ],
  [
    'a head of control beyond all numbers, where the keys of checkpoints stand',
    'HEAD_MISMATCH control 1 log_head',
    `update sworn.log_head set next_index = 9223372036854775807 where tenant_id = $1 and log = 'control'`,
  ],
  [
    'a leaf of control without bytes',
    'LEAF_HASH_MISMATCH control 0 leaf',
    dropNotNull('leaf', 'leaf'),
    `update sworn.leaf set leaf = null where tenant_id = $1 and log = 'control' and leaf_index = 0`,
  ],
  [
    'a row of control beyond all numbers',
    'BEYOND_HEAD control 9223372036854776000 control_records',
    `insert into sworn.control_records (tenant_id, log, leaf_index, kind, subject) values ($1, 'control', 9223372036854775807, 'SIGNING_KEY_ADDED', null)`,
  ],
  [
    'the digest of a conflicting copy',
    'COLUMN_MISMATCH llm-runs 5 leaf',
    `update sworn.leaf set digest = sha256(digest) where ${HERE} and kind = 'CONFLICT'`,
  ],
  [
    'a list of lists',
    'PROJECTION_MISMATCH llm-runs * llm_run_records',
    `update sworn.llm_run_records set tools = array[['a', 'b'], ['c', 'd']] where ${HERE}`,
  ],
];

describe('what a superuser writes that no constraint would let in is told, with its place, and ends no check:', () => {
  it.each(STRIKES)('%s', async (_, finding, ...statements) => {
    expect(await told()).toEqual([]);
    const size = (await house.check(tenant)).logs.find(({ log }) => log === 'llm-runs')?.size ?? 0;
    await tamper(...statements);
    const expected = finding.replace('#+1', String(size + 1)).replace('#', String(size));
    const all = await told();
    if (expected.includes('CHECKPOINT_INVALID'))
      expect(all).toContain(expected.replace(String(size), String(size - 1)));
    else if (expected.includes('*')) expect(all.some((one) => one.startsWith(expected.split('*')[0] ?? ''))).toBe(true);
    else expect(all).toContain(expected);
  });
});

it('one bit of a body that is as long as many others together is told', async () => {
  const text = randomBytes(100_000).toString('hex');
  await house.ingest(tenant, agentRun(newTrace(), { 'gen_ai.input.messages': text }));
  expect(await told()).toEqual([]);
  const large = 'octet_length(body) > 90000';
  const [row] = await house.database.admin<{ index: string }>(
    `select leaf_index as index from sworn.leaf where ${HERE} and ${large}`,
    [tenant],
  );
  await tamper(`update sworn.leaf set body = set_byte(body, 90, get_byte(body, 90) # 1) where ${HERE} and ${large}`);
  expect(await told()).toEqual([`BODY_MISMATCH llm-runs ${row?.index} leaf`]);
});

describe('where nobody can say that readers see what the checks see, "sound" is not said:', () => {
  it.each([
    [
      'a view in the place of a table',
      'run_members (not a plain table)',
      'alter table sworn.run_members rename to run_members_then',
      'create view sworn.run_members as select * from sworn.run_members_then',
      'grant select on sworn.run_members to public',
    ],
    [
      'a policy that hides rows',
      'run_members (policy hide)',
      'create policy hide on sworn.run_members as restrictive for select to public using (leaf_index >= 0)',
    ],
    [
      'a wall through which readers see less',
      'leaf (policy tenant_wall)',
      `alter policy tenant_wall on sworn.leaf using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid and leaf_index <> 3)`,
    ],
    ['the same tile twice', 'tile (no primary key)', 'alter table sworn.tile drop constraint tile_pkey'],
    [
      'rows of no log',
      'run_members (column log may be null)',
      'alter table sworn.run_members drop constraint run_members_pkey',
      dropNotNull('run_members', 'log'),
    ],
    ['a table that inherits', 'tile (inherits', 'create table sworn.more () inherits (sworn.tile)'],
  ])('%s', async (_, why, ...statements) => {
    await tamper(...statements);
    await expect(house.check(tenant)).rejects.toThrow(why);
  });

  it('a log that is not there', async () => {
    const of = { platformTenant: house.platformTenant, tenants: [tenant] };
    await expect(checkDeployment(house.checking, of, { tenantId: tenant, log: 'llm-run' })).rejects.toThrow(
      'nothing was checked',
    );
  });
});
