import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Filled } from '../fill/filled.js';
import { conversationName } from '../fill/turns.js';
import type { Place } from '../server.js';
import { type Asker, getJson } from './get.js';

/** Places deep in what was filled. */
export interface Depths {
  /** Runs that are newer than the deep page. */
  readonly depth: number;
  /** Before this time were all but that many. */
  readonly recordedBefore: string;
  /** `next_cursor` of the page that ends there. */
  readonly cursor: string;
  readonly conversations: readonly string[];
  /** Runs that lie there. */
  readonly runIds: readonly string[];
}

/** A million runs deep, or this part of a smaller deployment. */
const DEEP = 1_000_000;
const PART = 0.9;
/** Ids of one kind that are asked for in turn. */
const IDS = 8;
const CRAWL_LIMIT = 100;

/** Finds a page that deep: by its time, and by its cursor. `http`: where the server is; `url`: its database, as superuser. */
export async function findDepths(
  place: Place,
  filled: Filled,
  at: { http: string; url: string; asker: Asker },
): Promise<Depths> {
  const depth = Math.min(DEEP, Math.floor(filled.runs * PART));
  const client = new pg.Client({ connectionString: at.url });
  await client.connect();
  try {
    await client.query('set row_security = off');
    const { rows } = await client.query<{ run_id: string; recorded_before: string }>(
      `select r.run_id, to_char(l.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_before
         from sworn.llm_run_records r join sworn.leaf l using (tenant_id, log, leaf_index)
        where r.tenant_id = $1 and r.log = 'llm-runs' and r.revision = 0
        order by r.run_index desc offset $2 limit $3`,
      [filled.tenant, depth, IDS],
    );
    return {
      depth,
      recordedBefore: rows[0]?.recorded_before ?? '',
      cursor: await crawlTo(place, depth, at),
      conversations: Array.from({ length: IDS }, (_, i) => conversationName(Math.floor(filled.runs / 12) + i)),
      runIds: rows.map((row) => row.run_id),
    };
  } finally {
    await client.end();
  }
}

/** Follows the list page by page, as a client does: there is no other way to a cursor. Kept with the deployment, for which it stays valid. */
async function crawlTo(place: Place, depth: number, { http, asker }: { http: string; asker: Asker }): Promise<string> {
  const file = join(place.dir, 'cursor');
  if (existsSync(file)) return readFileSync(file, 'utf8');
  let cursor: string | null = null;
  for (let seen = 0; seen < depth; seen += CRAWL_LIMIT) {
    const query: string = cursor === null ? '' : `&cursor=${cursor}`;
    const page: { next_cursor: string | null } = await getJson(
      asker,
      `${http}/api/v1/logs/llm-runs?limit=${CRAWL_LIMIT}${query}`,
    );
    cursor = page.next_cursor;
  }
  if (cursor === null) throw new Error('the list ended before its depth');
  writeFileSync(file, cursor);
  return cursor;
}
