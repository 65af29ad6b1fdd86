import type pg from 'pg';
import { LOGIN_ROLES, type Role } from './database.js';
import { scramVerifier } from './scram.js';

/** Every role of a deployment: those that log in, the owner of the schema, and the owner of the two removing functions. */
export const ALL_ROLES = ['owner', ...LOGIN_ROLES, 'remover'] as const;

/** Roles that insert by COPY where the server lets us exempt them from row-level security (CONTRACT.md §4, "Found by trying"). */
const COPYING: readonly string[] = ['writer', 'recorder'];

/** Settings of every role that logs in: names are resolved by nobody's search path, times come as UTC text, no transaction lies open. */
const SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['search_path', 'pg_catalog, pg_temp'],
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO'],
  ['bytea_output', 'hex'],
  ['idle_in_transaction_session_timeout', '5s'],
  // A prepared statement must not keep the plan that was right for an empty table.
  ['plan_cache_mode', 'force_custom_plan'],
  // Nothing asked here is long enough to compile for, and what rules out a plan by its cost would have each statement compiled: half a second.
  ['jit', 'off'],
];

/** Settings of one role on top. */
const OWN_SETTINGS: Readonly<Record<Role, readonly (readonly [name: string, value: string])[]>> = {
  // Everything these two ask is an index lookup; without statistics the planner would rather read the whole table.
  writer: [['enable_seqscan', 'off']],
  recorder: [['enable_seqscan', 'off']],
  signer: [],
  reader: [
    ['statement_timeout', '5s'],
    ['default_transaction_read_only', 'on'],
  ],
  checker: [['default_transaction_read_only', 'on']],
};

const PREFIX = /^[a-z][a-z0-9_]{0,40}$/;

/** Refuses a prefix that could not stand unquoted in SQL. */
export function assertPrefix(prefix: string): void {
  if (!PREFIX.test(prefix)) throw new Error('a role prefix is lower-case letters, digits and _, at most 41');
}

/**
 * Creates the roles that are missing, and brings passwords, attributes and settings of all of them up to date. Roles belong to the whole
 * cluster: another deployment needs another prefix.
 */
export async function ensureRoles(
  admin: pg.ClientBase,
  prefix: string,
  passwordOf: (role: Role) => string,
): Promise<void> {
  const { rows } = await admin.query<{ super: boolean; bypass: boolean; version: number }>(
    `select rolsuper as super, rolsuper or (rolbypassrls and current_setting('server_version_num')::int >= 160000) as bypass,
            current_setting('server_version_num')::int as version
       from pg_catalog.pg_roles where rolname = current_user`,
  );
  const me = rows[0];
  if (me === undefined) throw new Error('the database does not know who migrates it');
  if (me.version < 150000) throw new Error('PostgreSQL 15 or newer is needed');
  const present = await admin.query<{ name: string }>(
    'select rolname as name from pg_catalog.pg_roles where rolname = any($1)',
    [ALL_ROLES.map((role) => `${prefix}_${role}`)],
  );
  const known = new Set(present.rows.map((row) => row.name));
  for (const role of ALL_ROLES) {
    const name = `${prefix}_${role}`;
    if (!known.has(name)) await admin.query(`create role ${name} nologin noinherit`);
    // To make what they own, the migrating role must be able to become them; a superuser always is.
    if (!me.super && (role === 'owner' || role === 'remover')) await admin.query(`grant ${name} to current_user`);
  }
  for (const role of LOGIN_ROLES) {
    const name = `${prefix}_${role}`;
    const bypass = me.bypass && COPYING.includes(role) ? ' bypassrls' : '';
    await admin.query(`alter role ${name} login password '${scramVerifier(passwordOf(role))}'${bypass}`);
    for (const [setting, value] of [...SETTINGS, ...OWN_SETTINGS[role]]) {
      await admin.query(`alter role ${name} set ${setting} = ${settingValue(value)}`);
    }
  }
}

/** A list such as a search path must not be quoted as one word. */
function settingValue(value: string): string {
  return value
    .split(', ')
    .map((part) => `'${part}'`)
    .join(', ');
}

/** Takes from PUBLIC what PostgreSQL gives to everyone (TEMP, CREATE, CONNECT), lets the roles connect, and leaves nothing to a superuser. */
export async function closeDatabase(admin: pg.ClientBase, prefix: string): Promise<void> {
  const { rows } = await admin.query<{ database: string; super: boolean }>(
    'select current_database() as database, rolsuper as super from pg_catalog.pg_roles where rolname = current_user',
  );
  const [me] = rows;
  if (me === undefined) throw new Error('the database does not know who migrates it');
  const database = admin.escapeIdentifier(me.database);
  if (me.super) await admin.query(`alter database ${database} owner to ${prefix}_owner`);
  await admin.query(`revoke all on database ${database} from public`);
  await admin.query('revoke all on schema public from public');
  await admin.query(
    `grant connect on database ${database} to ${LOGIN_ROLES.map((role) => `${prefix}_${role}`).join(', ')}`,
  );
  const open = await admin.query<{ open: boolean }>(
    `select has_database_privilege($1, current_database(), 'TEMP') or has_database_privilege($1, current_database(), 'CREATE') as open`,
    [`${prefix}_reader`],
  );
  if (open.rows[0]?.open === true)
    throw new Error('the migrating role must own the database, so that it can take TEMP and CREATE from PUBLIC');
}
