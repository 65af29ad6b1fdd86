import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type TestDatabase, testDatabase } from '@sworn/testkit';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readLeafHashes } from '../src/store/append.js';
import { inTenant, LOGIN_ROLES, outsideTenants, type Role, StoreFailure } from '../src/store/database.js';
import { insertRows } from '../src/store/copyBinary.js';
import { sql } from '../src/store/sql.js';

const EVIDENCE = [
  'leaf',
  'tile',
  'batch_authenticator',
  'checkpoint',
  'llm_run_records',
  'run_members',
  'run_names',
  'resources',
  'system_records',
  'audit_ledger',
  'access_records',
  'control_records',
] as const;
const WORKING = [
  'tenant',
  'api_key',
  'log_head',
  'open_run',
  'seal_cursor',
  'data_key',
  'directory',
  'ingest_day',
] as const;
const TABLES = [...EVIDENCE, ...WORKING, 'deployment', 'lease', 'migration'] as const;
type Table = (typeof TABLES)[number];

/** s: SELECT on some column, S: on all; I: INSERT; u: UPDATE of some column, U: of all; D: DELETE. What is not here is refused. */
const ALLOWED: Readonly<Record<Role, Partial<Record<Table, string>>>> = {
  writer: {
    leaf: 'sI',
    tile: 'SI',
    batch_authenticator: 'I',
    llm_run_records: 'I',
    run_members: 'I',
    run_names: 'I',
    resources: 'I',
    system_records: 'I',
    audit_ledger: 'I',
    tenant: 'S',
    log_head: 'Su',
    open_run: 'SIUD',
    seal_cursor: 'SIUD',
    ingest_day: 'SIUD',
    lease: 'SIUD',
    data_key: 'SI',
    directory: 'SI',
    deployment: 'S',
    migration: 'S',
  },
  recorder: {
    leaf: 'sI',
    tile: 'SI',
    batch_authenticator: 'I',
    resources: 'I',
    system_records: 'I',
    access_records: 'I',
    control_records: 'I',
    tenant: 'SIu',
    api_key: 'SIu',
    log_head: 'SIu',
    lease: 'SIUD',
    data_key: 'SIu',
    directory: 'SI',
    deployment: 'SI',
    migration: 'S',
  },
  signer: {
    checkpoint: 'SI',
    batch_authenticator: 'S',
    log_head: 'S',
    tenant: 'S',
    lease: 'SIUD',
    deployment: 'S',
    migration: 'S',
  },
  reader: Object.fromEntries(TABLES.filter((table) => table !== 'lease').map((table) => [table, 'S'])),
  checker: Object.fromEntries(TABLES.map((table) => [table, 'S'])),
};

let t: TestDatabase;
beforeAll(async () => {
  t = await testDatabase();
});
afterAll(() => t.drop());

const NO_PRIVILEGE = '42501';
/** PostgreSQL gives both the same code. */
const ROW_SECURITY = 'row security';

/** The SQLSTATE that `text` ends with inside a transaction that is rolled back; null when it went through. */
async function refusal(client: pg.ClientBase, text: string, values: unknown[] = []): Promise<string | null> {
  await client.query('begin read write');
  try {
    await client.query(text, values);
    return null;
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    return /row-level security policy/.test(message) ? ROW_SECURITY : (code ?? 'no code');
  } finally {
    await client.query('rollback');
  }
}

describe.each(LOGIN_ROLES)('the role %s', (role) => {
  let client: pg.Client;
  beforeAll(async () => {
    client = await t.connect(role);
  });
  afterAll(() => client.end());

  test.each(TABLES)('may do to %s what the contract gives it, and nothing else', async (table) => {
    const columns = (
      await t.admin<{ name: string }>(
        `select attname as name from pg_attribute where attrelid = $1::regclass and attnum > 0`,
        [`sworn.${table}`],
      )
    ).map((row) => row.name);
    const may = async (text: string): Promise<boolean> => (await refusal(client, text)) !== NO_PRIVILEGE;
    const each = (verb: (column: string) => string): Promise<boolean[]> =>
      columns.reduce<Promise<boolean[]>>(
        async (list, column) => [...(await list), await may(verb(column))],
        Promise.resolve([]),
      );
    const read = await each((column) => `select ${column} from sworn.${table} limit 0`);
    const changed = await each((column) => `update sworn.${table} set ${column} = default`);
    const found = [
      read.every(Boolean) ? 'S' : read.some(Boolean) ? 's' : '',
      // Fails on the first NOT NULL column where the privilege is there.
      (await may(`insert into sworn.${table} default values`)) ? 'I' : '',
      changed.every(Boolean) ? 'U' : changed.some(Boolean) ? 'u' : '',
      (await may(`delete from sworn.${table}`)) ? 'D' : '',
      (await may(`truncate sworn.${table}`)) ? 'T' : '',
    ].join('');
    expect(found).toBe(ALLOWED[role][table] ?? '');
  });

  test('cannot make, change or borrow anything', async () => {
    for (const text of [
      'create temp table mine (n int)',
      'create table sworn.mine (n int)',
      'create table public.mine (n int)',
      'create schema mine',
      'create function sworn.mine() returns int language sql as $$ select 1 $$',
      'create view sworn.mine as select 1',
      'alter table sworn.leaf disable trigger all',
      'alter table sworn.leaf disable row level security',
      'alter table sworn.leaf no force row level security',
      'create policy mine on sworn.leaf using (true)',
      'drop trigger append_only on sworn.leaf',
      'drop table sworn.leaf',
      'create index mine on sworn.leaf (kind)',
      'set session_replication_role = replica',
      `set role ${t.rolePrefix}_owner`,
      `set role ${t.rolePrefix}_remover`,
      `set session authorization ${t.superuser.user}`,
      "select pg_read_file('/etc/passwd')",
      "copy sworn.tenant to program 'cat'",
      'alter role current_user superuser',
      'create role mine',
    ]) {
      expect([text, await refusal(client, text)]).toEqual([text, NO_PRIVILEGE]);
    }
  });

  test('may call neither of the removing functions, except the recorder', async () => {
    const wanted = role === 'recorder' ? 'SW002' : NO_PRIVILEGE;
    expect(await refusal(client, `select sworn.erase($1, 'llm-runs', '{0}')`, [randomUUID()])).toBe(wanted);
    expect(await refusal(client, `select sworn.retain($1, 'llm-runs', 1, 1)`, [randomUUID()])).toBe(wanted);
  });
});

/** One row for one tenant in each table that holds tenants, as the roles whose work it is. */
async function seed(tenantId: string): Promise<void> {
  const bytes = (n: number): Buffer => randomBytes(n);
  const now = '2026-01-02T03:04:05.000000Z';
  const leafColumns = [
    ['tenant_id', 'uuid'],
    ['log', 'text'],
    ['leaf_index', 'int8'],
    ['kind', 'text'],
    ['leaf', 'bytea'],
    ['leaf_hash', 'bytea'],
    ['event_key', 'bytea'],
    ['occurred_at', 'timestamptz'],
    ['recorded_at', 'timestamptz'],
    ['body', 'bytea'],
    ['digest', 'bytea'],
    ['dk', 'uuid'],
  ] as const;
  const leaf = (log: string) => [
    tenantId,
    log,
    0,
    'STEP',
    Buffer.from('{}'),
    bytes(32),
    bytes(32),
    now,
    now,
    bytes(64),
    bytes(32),
    randomUUID(),
  ];
  await inTenant(t.db, 'recorder', tenantId, async (tx) => {
    await tx.query(sql`insert into sworn.tenant values (${tenantId}::uuid, 'name', false, false, now(), null)`);
    await tx.query(sql`insert into sworn.log_head select ${tenantId}::uuid, topic, topic, 1, 0, ''::bytea, ${bytes(32)}, null
      from unnest(array['llm-runs', 'system', 'audit', 'access', 'control']) topic`);
    await tx.query(
      sql`insert into sworn.api_key values (${tenantId}::uuid, ${randomUUID()}::uuid, 'reader', '{}', '{}', null, ${bytes(32)}, now(), now(), null, 0)`,
    );
    await tx.query(
      sql`insert into sworn.directory values (${tenantId}::uuid, 'tok_1', ${bytes(32)}, ${randomUUID()}::uuid)`,
    );
    await insertRows(tx, 'leaf', leafColumns, [leaf('access'), leaf('control')]);
    await tx.query(
      sql`insert into sworn.access_records values (${tenantId}::uuid, 'access', 0, 'READ', ${randomUUID()}::uuid, 'runs', null, 'ALLOW', null, null, 200)`,
    );
    await tx.query(
      sql`insert into sworn.control_records values (${tenantId}::uuid, 'control', 0, 'KEY_CREATED', null)`,
    );
  });
  await inTenant(t.db, 'writer', tenantId, async (tx) => {
    await insertRows(tx, 'leaf', leafColumns, [leaf('llm-runs'), leaf('system'), leaf('audit')]);
    await tx.query(sql`insert into sworn.tile values (${tenantId}::uuid, 'llm-runs', 0, 0, ${bytes(8192)})`);
    await tx.query(
      sql`insert into sworn.batch_authenticator values (${tenantId}::uuid, 'llm-runs', 0, 1, ${bytes(32)}, ${bytes(32)}, now(), ${bytes(32)})`,
    );
    await tx.query(sql`insert into sworn.llm_run_records (tenant_id, log, leaf_index, kind, run_id, revision, run_index, run_occurred_at, execution_status,
      had_errors, is_synthetic, source, started_at) values (${tenantId}::uuid, 'llm-runs', 0, 'OPENED', 'r', 0, 0, now(), 'RUNNING', false, false, 'SDK', now())`);
    await tx.query(
      sql`insert into sworn.run_members values (${tenantId}::uuid, 'llm-runs', 0, 'r', ${bytes(16)}, true)`,
    );
    await tx.query(sql`insert into sworn.run_names values (${tenantId}::uuid, 'llm-runs', 0, 'tool', 'search', 0)`);
    await tx.query(sql`insert into sworn.resources values (${tenantId}::uuid, 'system', 0, 'resource', ${bytes(32)})`);
    await tx.query(
      sql`insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, occurred_at)
        values (${tenantId}::uuid, 'system', 0, 'LOG', 'INFO', now())`,
    );
    await tx.query(
      sql`insert into sworn.audit_ledger (tenant_id, log, leaf_index, event_type, occurred_at)
        values (${tenantId}::uuid, 'audit', 0, 'NOTE', now())`,
    );
    await tx.query(
      sql`insert into sworn.open_run values (${tenantId}::uuid, 'r', ${bytes(16)}, 0, now(), 0, 1, 0, now(), null, 1, 1, now())`,
    );
    await tx.query(sql`insert into sworn.seal_cursor values (${tenantId}::uuid, 'llm-runs', 1)`);
    await tx.query(sql`insert into sworn.ingest_day values (${tenantId}::uuid, '2026-11-28', 1)`);
    await tx.query(
      sql`insert into sworn.data_key values (${tenantId}::uuid, ${randomUUID()}::uuid, ${bytes(8)}, 1, ${bytes(60)}, now())`,
    );
  });
  await inTenant(t.db, 'signer', tenantId, (tx) =>
    tx.query(sql`insert into sworn.checkpoint values (${tenantId}::uuid, 'llm-runs', 1, ${bytes(32)}, 'note', now())`),
  );
}

describe('INV-LOG-TENANT-001: two tenants in one database', () => {
  const [ours, theirs] = [randomUUID(), randomUUID()];
  beforeAll(async () => {
    await seed(ours);
    await seed(theirs);
  });

  const tables = [...EVIDENCE, ...WORKING];
  /** Tenants whose rows a reader of `ours` sees. Table names are the test's own. */
  const seen = (table: string, where: string): Promise<string[]> =>
    inTenant(t.db, 'reader', ours, async (tx) => {
      const { rows } = await tx.client.query<{ id: string }>(
        `select distinct tenant_id as id from sworn.${table} ${where} order by 1`,
      );
      return rows.map((row) => row.id);
    });

  test.each(tables)('%s: without the `where`, row-level security still holds them apart', async (table) => {
    expect(await seen(table, '')).toEqual([ours]);
    expect(await seen(table, `where tenant_id = '${theirs}'`)).toEqual([]);
  });

  test.each(tables)(
    '%s: without row-level security the `where` holds them apart, and without both nothing does',
    async (table) => {
      await t.withoutRowSecurity(async () => {
        expect(await seen(table, `where tenant_id = '${ours}'`)).toEqual([ours]);
        expect(await seen(table, '')).toEqual([ours, theirs].sort());
      });
      expect(await seen(table, '')).toEqual([ours]);
    },
  );

  test('a question of the store is held by either wall alone, and by nothing without both', async () => {
    const ask = (transaction: string, asked: string): Promise<number> =>
      inTenant(t.db, 'reader', transaction, (tx) => readLeafHashes(tx, asked, 'llm-runs', 0, 1)).then(
        (hashes) => hashes.length,
        () => 0,
      );
    // To ask for another tenant than the transaction's is to take the `where` away.
    expect(await ask(ours, ours)).toBe(1);
    expect(await ask(ours, theirs)).toBe(0);
    await t.withoutRowSecurity(async () => {
      expect(await ask(ours, ours)).toBe(1);
      expect(await ask(ours, theirs)).toBe(1);
    });
  });

  test('a transaction that names no tenant sees none, and its setting is empty after the one before', async () => {
    const reader = await t.connect('reader');
    const setting = async (): Promise<unknown> =>
      (await reader.query(`select current_setting('sworn.tenant', true) as tenant`)).rows[0];
    expect(await setting()).toEqual({ tenant: null });
    await reader.query(`begin; set local sworn.tenant = '${ours}'`);
    expect(await setting()).toEqual({ tenant: ours });
    expect((await reader.query('select from sworn.leaf')).rowCount).toBe(5);
    await reader.query('commit');
    expect(await setting()).toEqual({ tenant: '' });
    for (const table of tables)
      expect([table, (await reader.query(`select from sworn.${table}`)).rowCount]).toEqual([table, 0]);
    await reader.end();
  });

  test('those who go round all tenants can list them, a reader cannot', async () => {
    for (const role of ['writer', 'recorder', 'signer', 'checker'] as const) {
      expect(await outsideTenants(t.db, role, (tx) => tx.query(sql`select tenant_id from sworn.tenant`))).toHaveLength(
        2,
      );
    }
    expect(await outsideTenants(t.db, 'reader', (tx) => tx.query(sql`select tenant_id from sworn.tenant`))).toEqual([]);
  });

  test('the checker reads all of them', async () => {
    expect(await outsideTenants(t.db, 'checker', (tx) => tx.query(sql`select from sworn.leaf`))).toHaveLength(10);
  });

  describe('a row for another tenant than the transaction’s is refused', () => {
    const row = (tenantId: string) => [tenantId, 'llm-runs', 7, 0, randomBytes(8192)];
    const columns = [
      ['tenant_id', 'uuid'],
      ['log', 'text'],
      ['tile_index', 'int8'],
      ['level', 'int2'],
      ['hashes', 'bytea'],
    ] as const;

    test('from a role that bypasses row-level security, by the trigger', async () => {
      await t.admin(`alter role ${t.rolePrefix}_writer bypassrls`);
      const writer = await t.connect('writer');
      expect(
        await refusal(
          writer,
          `set local sworn.tenant = '${ours}'; insert into sworn.tile values ('${theirs}', 'llm-runs', 0, 7, decode(repeat('00', 8192), 'hex'))`,
        ),
      ).toBe('SW002');
      expect(
        await refusal(
          writer,
          `insert into sworn.tile values ('${theirs}', 'llm-runs', 0, 7, decode(repeat('00', 8192), 'hex'))`,
        ),
      ).toBe('SW002');
      expect(
        await refusal(
          writer,
          `set local sworn.tenant = '${ours}'; update sworn.log_head set next_index = 9 where tenant_id = '${theirs}'`,
        ),
      ).toBe('SW002');
      await writer.end();
      const rejected = await inTenant(t.db, 'writer', ours, (tx) =>
        insertRows(tx, 'tile', columns, [row(ours), row(theirs)]),
      ).catch((e: unknown) => e);
      expect(rejected).toBeInstanceOf(StoreFailure);
      expect(rejected).toMatchObject({ code: 'SW002' });
    });

    test('from one that does not, by the policy', async () => {
      const rejected = await inTenant(t.db, 'signer', ours, (tx) =>
        tx.query(
          sql`insert into sworn.checkpoint values (${theirs}::uuid, 'llm-runs', 9, ${randomBytes(32)}, 'n', now())`,
        ),
      ).catch((e: unknown) => e);
      expect(rejected).toMatchObject({ code: NO_PRIVILEGE });
    });
  });

  describe('evidence that is there', () => {
    test.each(EVIDENCE)(
      '%s: neither owner nor superuser changes, deletes or truncates it past the triggers',
      async (table) => {
        const client = await t.connect('superuser');
        for (const become of ['', `set local role ${t.rolePrefix}_owner; `]) {
          for (const verb of [
            `update sworn.${table} set log = log`,
            `delete from sworn.${table}`,
            `truncate sworn.${table}`,
          ]) {
            const text = `set local sworn.tenant = '${ours}'; ${become}${verb}`;
            expect([text, await refusal(client, text)]).toEqual([text, 'SW001']);
          }
        }
      },
    );

    test('a body cannot be taken out by the superuser, nor even by the remover outside its functions with other columns', async () => {
      for (const text of ['update sworn.leaf set body = null', `update sworn.leaf set body = null, kind = 'X'`]) {
        expect([text, await refusal(await t.connect('superuser'), text)]).toEqual([text, 'SW001']);
      }
      const remover = `set local sworn.tenant = '${ours}'; set local role ${t.rolePrefix}_remover; `;
      expect(await refusal(await t.connect('superuser'), `${remover} update sworn.leaf set kind = 'X'`)).toBe(
        NO_PRIVILEGE,
      );
    });
  });

  describe('INV-LOG-PROD-001: the logs of Sworn’s own', () => {
    const leaf = (tenantId: string, log: string): string => {
      const hash = createHash('sha256')
        .update(log + Math.random())
        .digest('hex');
      return `set local sworn.tenant = '${tenantId}'; insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, occurred_at, recorded_at, digest)
        values ('${tenantId}', '${log}', 9, 'READ', '{}', '\\x${hash}', '\\x${hash}', now(), now(), '\\x${hash}')`;
    };

    test.each(['access', 'control', 'access.2', 'control.17'])(
      '%s takes leaves from the recorder alone',
      async (log) => {
        const [writer, recorder] = [await t.connect('writer'), await t.connect('recorder')];
        expect(await refusal(writer, leaf(ours, log))).toBe('SW002');
        expect(await refusal(recorder, leaf(ours, log))).toBe(null);
        expect(await refusal(await t.connect('superuser'), leaf(ours, log))).toBe('SW002');
        await Promise.all([writer.end(), recorder.end()]);
      },
    );

    test('the recorder writes no other log, but the platform’s system', async () => {
      const recorder = await t.connect('recorder');
      for (const log of ['llm-runs', 'audit', 'system', 'llm-runs.2'])
        expect([log, await refusal(recorder, leaf(ours, log))]).toEqual([log, 'SW002']);
      const platform = randomUUID();
      await outsideTenants(t.db, 'recorder', (tx) =>
        tx.query(sql`insert into sworn.deployment values ('sworn-test', ${platform}::uuid, now())`),
      );
      expect(await refusal(recorder, leaf(platform, 'system'))).toBe(null);
      expect(await refusal(recorder, leaf(platform, 'llm-runs'))).toBe('SW002');
      expect(await refusal(recorder, leaf(ours, 'system'))).toBe('SW002');
      await recorder.end();
    });

    test('what is shared with every tenant is written by the recorder alone, and only as the platform', async () => {
      const row = (tenantId: string, shared: boolean) => `set local sworn.tenant = '${tenantId}';
        insert into sworn.system_records (tenant_id, log, leaf_index, event_type, severity, occurred_at, shared)
        values ('${tenantId}', 'system', 9, 'STARTUP', 'INFO', now(), ${shared})`;
      const [writer, recorder] = [await t.connect('writer'), await t.connect('recorder')];
      const [{ platform } = { platform: '' }] = await t.admin<{ platform: string }>(
        'select platform_tenant as platform from sworn.deployment',
      );
      for (const shared of [true, false]) {
        expect(await refusal(recorder, row(ours, shared))).toBe('SW002');
        expect(await refusal(recorder, row(platform, shared))).toBe(null);
        for (const tenant of [ours, platform])
          expect(await refusal(writer, row(tenant, shared))).toBe(shared ? 'SW002' : null);
      }
      await Promise.all([writer.end(), recorder.end()]);
    });

    test('a log that is no log of ours takes nothing', async () => {
      const writer = await t.connect('writer');
      for (const log of ['Access', 'accesses', 'telemetry', ''])
        expect([log, await refusal(writer, leaf(ours, log))]).toEqual([log, '23514']);
      await writer.end();
    });

    test('a search path with false friends on it changes nothing', async () => {
      await t.admin(`create schema evil;
        create function evil.split_part(text, text, int) returns text language sql as $$ select 'llm-runs' $$;
        create function evil.current_setting(text, boolean) returns text language sql as $$ select '${theirs}' $$;
        create table evil.deployment (platform_tenant uuid); insert into evil.deployment values ('${ours}');
        grant usage on schema evil to public; grant select on evil.deployment to public`);
      const [writer, recorder, reader] = [
        await t.connect('writer'),
        await t.connect('recorder'),
        await t.connect('reader'),
      ];
      for (const client of [writer, recorder, reader]) await client.query('set search_path = evil, pg_catalog');
      expect(await refusal(writer, leaf(ours, 'access'))).toBe('SW002');
      expect(await refusal(recorder, leaf(ours, 'system'))).toBe('SW002');
      await reader.query(`begin; set local sworn.tenant = '${ours}'`);
      expect((await reader.query('select distinct tenant_id as id from sworn.leaf')).rows).toEqual([{ id: ours }]);
      await Promise.all([writer.end(), recorder.end(), reader.end()]);
      await t.admin('drop schema evil cascade');
    });
  });
});

describe('a reader', () => {
  test('cannot step around row-level security, nor change the server', async () => {
    const reader = await t.connect('reader');
    expect(await refusal(reader, 'set local row_security = off; select from sworn.leaf')).toBe(ROW_SECURITY);
    await expect(reader.query('alter system set fsync = off')).rejects.toMatchObject({
      code: expect.stringMatching(/^(42501|25006|0A000)$/),
    });
  });

  test('is stopped after five seconds, cannot write by mistake, and lies in no transaction', async () => {
    const reader = await t.connect('reader');
    const settings = await reader.query(`select name, setting from pg_settings where name in
      ('statement_timeout', 'default_transaction_read_only', 'idle_in_transaction_session_timeout', 'TimeZone') order by name`);
    expect(settings.rows.map((row) => `${row.name}=${row.setting}`).sort()).toEqual([
      'TimeZone=UTC',
      'default_transaction_read_only=on',
      'idle_in_transaction_session_timeout=5000',
      'statement_timeout=5000',
    ]);
    await reader.end();
  });

  test('is told of a timeout in words without values', async () => {
    const rejected = await inTenant(t.db, 'reader', randomUUID(), (tx) => tx.query(sql`select pg_sleep(30)`), {
      timeoutMs: 50,
    }).catch((e: unknown) => e);
    expect(rejected).toMatchObject({ code: '57014', message: 'canceling statement due to statement timeout' });
    const leaky = await inTenant(t.db, 'reader', randomUUID(), (tx) =>
      tx.query(sql`select ${'secret words'}::text::uuid`),
    ).catch((e: unknown) => e);
    expect(leaky).toMatchObject({ code: '22P02', message: 'the database refused (22P02)' });
    expect(JSON.stringify(leaky, Object.getOwnPropertyNames(leaky))).not.toContain('secret');
  });
});
