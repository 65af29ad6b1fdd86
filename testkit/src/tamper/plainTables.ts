import pg from 'pg';
import type { Stage, StageCopy } from './stage.js';

/**
 * What is done to the two tables that Sworn is compared with: the same records behind append-only triggers, and in a chain of hashes. Both are
 * struck as Sworn is: by a superuser for whom no trigger fires, and who knows how the table is made.
 */
export type PlainStrike =
  | 'edit'
  | 'edit and recompute'
  | 'delete one'
  | 'delete the tail'
  | 'delete a tenant'
  | 'truncate'
  | 'append'
  | 'replace the tail'
  | 'backdate'
  | 'duplicate'
  | 'swap'
  | 'move'
  | 'triggers off';

/** Whether each of the two would have told. */
export interface PlainVerdict {
  readonly triggersOnly: boolean;
  readonly hashChain: boolean;
}

/** The two tables, filled with the records of the stage. */
export interface PlainTables {
  /** Strikes both, lets each be verified as well as it can be, and takes the strike back. */
  judge(strike: PlainStrike): Promise<PlainVerdict>;
  close(): Promise<void>;
}

/** Which record is struck, of the target's `llm-runs`. */
const VICTIM = 100;
/** How many records the tail has. */
const TAIL = 5;

const MAKE = `
  create schema plain;
  create table plain.triggers_only as
    select tenant_id, log, leaf_index as n, recorded_at, leaf || coalesce(body, '') as record from sworn.leaf;
  create table plain.hash_chain as select *, ''::bytea as prev, ''::bytea as hash from plain.triggers_only;
  alter table plain.triggers_only add primary key (tenant_id, log, n);
  alter table plain.hash_chain add primary key (tenant_id, log, n);
  create function plain.refuse() returns trigger language plpgsql as $$ begin raise exception 'append-only'; end $$;
  create trigger append_only before update or delete on plain.triggers_only for each row execute function plain.refuse();
  create trigger no_truncate before truncate on plain.triggers_only for each statement execute function plain.refuse();
  create function plain.hash_of(r plain.hash_chain, before bytea) returns bytea language sql immutable as
    $$ select sha256(before || convert_to(r.tenant_id || '/' || r.log || '/' || r.n || '/' || extract(epoch from r.recorded_at), 'UTF8') || r.record) $$;
  create function plain.rechain() returns void language plpgsql as $$
  declare r plain.hash_chain; last bytea := ''; name text := '';
  begin
    for r in select * from plain.hash_chain order by tenant_id, log, n loop
      if name <> r.tenant_id || r.log then last := ''; name := r.tenant_id || r.log; end if;
      update plain.hash_chain set prev = last, hash = plain.hash_of(r, last) where tenant_id = r.tenant_id and log = r.log and n = r.n;
      last := plain.hash_of(r, last);
    end loop;
  end $$;
  select plain.rechain();
  analyze plain.triggers_only, plain.hash_chain`;

/** Numbers are dense from 0 and times never go back: all that a table without hashes can be held against. */
const BROKEN_ORDER = (table: string): string => `
  select count(*)::int as wrong from (
    select n, row_number() over w - 1 as due, recorded_at, lag(recorded_at) over w as before
      from plain.${table} window w as (partition by tenant_id, log order by n)) o
   where n <> due or recorded_at < before`;

/** The chain is walked from the first record to the last. */
const BROKEN_CHAIN = `
  select count(*)::int as wrong from (
    select c, coalesce(lag(hash) over (partition by tenant_id, log order by n), '') as last from plain.hash_chain c) w
   where (c).prev <> last or (c).hash <> plain.hash_of(c, last)`;

/** Fills both tables on a copy of the stage. */
export async function openPlainTables(stage: Stage): Promise<PlainTables> {
  const copy: StageCopy = await stage.copy();
  const client = new pg.Client(copy.connection);
  client.on('error', () => undefined);
  await client.connect();
  await client.query('set idle_in_transaction_session_timeout = 0; set statement_timeout = 0');
  await client.query(MAKE);
  await client.query('set session_replication_role = replica');

  async function found(text: string): Promise<boolean> {
    const { rows } = await client.query<{ wrong: number }>(text);
    return rows[0]?.wrong !== 0;
  }

  return {
    async judge(strike) {
      await client.query('begin');
      try {
        for (const table of ['triggers_only', 'hash_chain'] as const)
          await client.query(statementOf(strike, table, [stage.target.id, stage.neighbours[0]?.id ?? '']));
        // Who rewrites a chain needs nothing but the chain. Where that is of no use to him, he leaves it.
        if (RECOMPUTED.has(strike)) await client.query('select plain.rechain()');
        const isOutOfOrder = await found(BROKEN_ORDER('hash_chain'));
        return {
          triggersOnly: await found(BROKEN_ORDER('triggers_only')),
          hashChain: isOutOfOrder || (await found(BROKEN_CHAIN)),
        };
      } finally {
        await client.query('rollback');
      }
    },
    async close() {
      await client.end();
      await copy.drop();
    },
  };
}

const RECOMPUTED: ReadonlySet<PlainStrike> = new Set(['edit and recompute', 'append', 'replace the tail']);

/** Ids are made by the stage itself: UUIDs. */
function statementOf(strike: PlainStrike, table: string, [tenant, neighbour]: readonly [string, string]): string {
  const of = `plain.${table}`;
  const inLog = (id: string): string => `tenant_id = '${id}' and log = 'llm-runs'`;
  const here = inLog(tenant);
  const victim = `${here} and n = ${VICTIM}`;
  const last = `(select max(n) from ${of} where ${here})`;
  const flip = `record = set_byte(record, 40, get_byte(record, 40) # 1)`;
  const chained = table === 'hash_chain' ? ', prev, hash' : '';
  const statements: Readonly<Record<PlainStrike, string>> = {
    edit: `update ${of} set ${flip} where ${victim}`,
    'edit and recompute': `update ${of} set ${flip} where ${victim}`,
    'delete one': `delete from ${of} where ${victim}`,
    'delete the tail': `delete from ${of} where ${here} and n > ${last} - ${TAIL}`,
    'delete a tenant': `delete from ${of} where tenant_id = '${tenant}'`,
    truncate: `truncate ${of}`,
    append: `insert into ${of} select tenant_id, log, n + 1, recorded_at, record${chained} from ${of} where ${here} and n = ${last}`,
    'replace the tail': `update ${of} set ${flip} where ${here} and n > ${last} - ${TAIL}`,
    backdate: `update ${of} set recorded_at = recorded_at - interval '1 day' where ${victim}`,
    duplicate: `alter table ${of} drop constraint ${table}_pkey; insert into ${of} select * from ${of} where ${victim}`,
    swap: `update ${of} t set record = o.record from ${of} o where t.tenant_id = '${tenant}' and t.log = 'llm-runs'
       and t.n in (${VICTIM}, ${VICTIM + 1}) and o.tenant_id = t.tenant_id and o.log = t.log and o.n = ${2 * VICTIM + 1} - t.n`,
    move: `update ${of} set tenant_id = '${neighbour}', n = (select max(n) + 1 from ${of} where ${inLog(neighbour)}) where ${victim}`,
    'triggers off': `alter table ${of} disable trigger all`,
  };
  return statements[strike];
}
