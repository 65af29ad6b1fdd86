import pg from 'pg';

/** How far the sealer is behind. */
export interface Backlog {
  /** Leaves of `llm-runs`, and how many of them the sealer has followed. */
  readonly leaves: number;
  readonly followed: number;
  /** Runs that are not sealed yet. */
  readonly open: number;
}

/** Asks the database of one tenant's sealing. */
export interface BacklogWatch {
  now(): Promise<Backlog>;
  close(): Promise<void>;
}

/** Watches over a superuser's connection: no part of what the server does. */
export async function watchBacklog(superuserUrl: string, tenant: string): Promise<BacklogWatch> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  await client.query('set row_security = off');
  const question = {
    name: 'backlog',
    text: `select (select next_index from sworn.log_head where tenant_id = $1 and log = 'llm-runs') as leaves,
      (select next_index from sworn.seal_cursor where tenant_id = $1 and log = 'llm-runs') as followed,
      (select count(*) from sworn.open_run where tenant_id = $1) as open`,
    values: [tenant],
  };
  return {
    async now() {
      const { rows } = await client.query<Record<'leaves' | 'followed' | 'open', string | null>>(question);
      const [row] = rows;
      return { leaves: Number(row?.leaves), followed: Number(row?.followed), open: Number(row?.open) };
    },
    close: () => client.end(),
  };
}
