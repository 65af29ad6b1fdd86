import pg from 'pg';
import type { DatabaseAddress, Login } from './address.js';
import { toStoreFailure } from './failure.js';
import { closeSilent } from './silence.js';
import { render, type Sql } from './sql.js';
import { valueParsers } from './values.js';

export { isSilence, isStatementTimeout, isTransient, StoreFailure } from './failure.js';

/** The roles a server connects as (CONTRACT.md §4). `owner` and `remover` never log in. */
export type Role = 'writer' | 'recorder' | 'signer' | 'reader' | 'checker';

/** All roles that log in. */
export const LOGIN_ROLES: readonly Role[] = ['writer', 'recorder', 'signer', 'reader', 'checker'];

/** Connections a pool holds at most, unless told otherwise. Twenty-one, and four for credentials: well below PostgreSQL's default of 100 for several processes. */
const POOL_SIZES: Readonly<Record<Role, number>> = { writer: 6, recorder: 3, signer: 2, reader: 8, checker: 2 };

/** Milliseconds until a database must have let in who migrates it. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Milliseconds to wait for a connection, of those that are open or a new one, before the work is refused. */
const TURN_TIMEOUT_MS = 5_000;
/**
 * Milliseconds that a connection at work may be silent before it is closed. The reader's is twice its `statement_timeout`. Those who write wait
 * for each other, at most the 5 s that a transaction may lie open, and for the disk. One check may walk all rows of a tenant.
 */
const SILENCE_MS: Readonly<Record<Role, number>> = {
  reader: 10_000,
  writer: 15_000,
  recorder: 15_000,
  signer: 15_000,
  checker: 600_000,
};
/** Milliseconds of rest after which the system asks whether the other side still lives. */
const KEEP_ALIVE_AFTER_MS = 10_000;
/** Milliseconds an unused connection is kept. */
const IDLE_TIMEOUT_MS = 30_000;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What `openDatabase` needs. */
export interface DatabaseOptions {
  readonly address: DatabaseAddress;
  /** Prefix of the role names; roles belong to the whole cluster. */
  readonly rolePrefix: string;
  readonly passwordOf: (role: Role) => string;
  readonly poolSizes?: Partial<Record<Role, number>>;
}

/** Pools of connections, one for each role; a pool is made when its role is first used. */
export interface Database {
  readonly rolePrefix: string;
  as(role: Role): RolePool;
  /** Waits for work under way and closes every connection. */
  close(): Promise<void>;
}

/** Connections of one role. */
export interface RolePool {
  readonly role: Role;
  readonly pool: pg.Pool;
  /** Whether row-level security does not bind this role, so that it may use COPY FROM. Asked once. */
  bypassesRowSecurity(): Promise<boolean>;
}

/** One open transaction. Not usable after the function it was handed to has ended. */
export interface Tx {
  /** Extended protocol, parameters apart from the text. Column names must be those of `T`. @throws StoreFailure */
  query<T extends object>(piece: Sql): Promise<T[]>;
  /** The connection, for COPY only. */
  readonly client: pg.PoolClient;
  readonly bypassesRowSecurity: boolean;
}

/** How a transaction differs from the usual one. */
export interface TxOptions {
  readonly readOnly?: boolean;
  /** One snapshot for all statements (REPEATABLE READ) in place of one for each. */
  readonly snapshot?: boolean;
  /** Plans read indexes in their order, and never a whole set to scan, sort or hash it: for pages, which need its first rows only. */
  readonly inIndexOrder?: boolean;
  /** Milliseconds for each statement; absent: the role's own limit. */
  readonly timeoutMs?: number;
}

/** Makes the pools. Connects to nothing yet. */
export function openDatabase(options: DatabaseOptions): Database {
  const pools = new Map<Role, RolePool>();
  return {
    rolePrefix: options.rolePrefix,
    as(role) {
      let pool = pools.get(role);
      if (pool === undefined) pools.set(role, (pool = openPool(options, role)));
      return pool;
    },
    async close() {
      const open = [...pools.values()];
      pools.clear();
      await Promise.all(open.map((p) => p.pool.end()));
    },
  };
}

/**
 * Runs `work` in one transaction that sees one tenant: `sworn.tenant` is set for the transaction only, and every policy compares with it.
 * Commits when `work` resolves, rolls back when it rejects.
 *
 * @throws StoreFailure; after a lost COMMIT answer (code `CONNECTION`) the outcome is unknown and is read back by event key.
 */
export async function inTenant<T>(
  db: Database,
  role: Role,
  tenantId: string,
  work: (tx: Tx) => Promise<T>,
  options: TxOptions = {},
): Promise<T> {
  if (!UUID.test(tenantId)) throw new Error('a tenant id is a lower-case UUID');
  // `set local`, not set_config(): Citus hands only the former on to its shards. The id was checked, and is the only thing in the text.
  return transaction(db, role, `set local sworn.tenant = '${tenantId}'`, work, options);
}

/** As the reader, in the order of indexes: for what is looked up there, of which a planner that knows only other tenants' rows may think otherwise. */
export async function lookUp<T>(db: Database, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return inTenant(db, 'reader', tenantId, work, { inIndexOrder: true });
}

/** Runs `work` in one transaction that sees no tenant: for tables that belong to none (deployment, leases) and for lists of tenants. */
export async function outsideTenants<T>(
  db: Database,
  role: Role,
  work: (tx: Tx) => Promise<T>,
  options: TxOptions = {},
): Promise<T> {
  return transaction(db, role, null, work, options);
}

async function transaction<T>(
  db: Database,
  role: Role,
  first: string | null,
  work: (tx: Tx) => Promise<T>,
  options: TxOptions,
): Promise<T> {
  const pool = db.as(role);
  let client: pg.PoolClient | undefined;
  let usable = false;
  try {
    const bypassesRowSecurity = await pool.bypassesRowSecurity();
    client = await pool.pool.connect();
    const open = client;
    // One round trip; constants only, so the simple protocol that several statements need is safe here.
    await open.query([opening(options), ...(first === null ? [] : [first])].join('; '));
    const tx: Tx = { client: open, bypassesRowSecurity, query: (piece) => run(open, piece) };
    let result: T;
    try {
      result = await work(tx);
    } catch (error) {
      await open.query('rollback');
      usable = true;
      throw error;
    }
    const { command } = await open.query('commit');
    usable = true;
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK: `work` swallowed an error, and nothing was stored.
    if (command !== 'COMMIT') throw new Error('the transaction had failed and was rolled back');
    return result;
  } catch (error) {
    throw toStoreFailure(error);
  } finally {
    client?.release(!usable);
  }
}

function opening(options: TxOptions): string {
  const parts = [
    `begin${options.snapshot === true ? ' isolation level repeatable read' : ''}${options.readOnly === true ? ' read only' : ''}`,
  ];
  if (options.inIndexOrder === true) {
    for (const way of ['seqscan', 'bitmapscan', 'sort', 'hashagg', 'hashjoin'])
      parts.push(`set local enable_${way} = off`);
    // The role's own setting may be anybody's: an operator of another schema would answer in the place of PostgreSQL's.
    parts.push('set local search_path = pg_catalog, pg_temp');
  }
  if (options.timeoutMs !== undefined) {
    parts.push(`set local statement_timeout = ${Math.max(1, Math.ceil(options.timeoutMs))}`);
  }
  return parts.join('; ');
}

async function run<T extends object>(client: pg.PoolClient, piece: Sql): Promise<T[]> {
  const { text, values, name } = render(piece);
  try {
    const query = { text, values: values as unknown[], queryMode: 'extended' as const };
    const { rows } = await client.query<T & pg.QueryResultRow>(name === null ? query : { ...query, name });
    return rows;
  } catch (error) {
    throw toStoreFailure(error);
  }
}

function openPool(options: DatabaseOptions, role: Role): RolePool {
  const login = { user: `${options.rolePrefix}_${role}`, password: options.passwordOf(role) };
  const pool = new pg.Pool({
    ...clientConfig(options.address, login),
    max: options.poolSizes?.[role] ?? POOL_SIZES[role],
    connectionTimeoutMillis: TURN_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // A connection that the server ends, idle or at work, is dropped by the pool, and work under way is told by its own rejection. The
  // driver also emits an event, which ends the process when nobody listens.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  closeSilent(pool, SILENCE_MS[role]);
  let bypass: Promise<boolean> | undefined;
  return {
    role,
    pool,
    async bypassesRowSecurity() {
      bypass ??= askBypass(pool);
      try {
        return await bypass;
      } catch (error) {
        bypass = undefined;
        throw error;
      }
    },
  };
}

async function askBypass(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ bypass: boolean }>(
    'select rolbypassrls or rolsuper as bypass from pg_catalog.pg_roles where rolname = current_user',
  );
  return rows[0]?.bypass === true;
}

/** What the driver needs to connect. UTC is set by the server for each role; the driver never turns a time into a `Date`. */
export function clientConfig(address: DatabaseAddress, login: Login): pg.ClientConfig {
  return {
    host: address.host,
    port: address.port,
    database: address.database,
    user: login.user,
    password: login.password,
    ssl:
      address.tls === null
        ? false
        : { rejectUnauthorized: true, ...(address.tls.ca === null ? {} : { ca: address.tls.ca }) },
    types: valueParsers,
    application_name: 'sworn',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
  };
}
