import { canonicalize, equalBytes, hex, hmacSha256, utf8 } from '@sworn/evidence';
import {
  type CheckCursor,
  readBrokenCursors,
  readCheckCursors,
  readCheckRound,
  writeCheckCursor,
  writeCheckRound,
} from '../store/checkState.js';
import type { LogPlace } from '../store/checking.js';
import type { Tx } from '../store/database.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';

// What the checks keep of themselves stands in rows that the database's owner can write. He has not the directory key: what he wrote says nothing. He may
// put back what we wrote earlier, which says that less was looked at.

/** What our own rows are told by. */
export interface StateKeys {
  readonly directoryKey: Uint8Array;
  readonly originOf: (tenantId: string, log: string) => string;
}

/** Cursors of a tenant. */
export interface OwnCursors {
  /** Those that we wrote, by log. */
  readonly ours: ReadonlyMap<string, CheckCursor>;
  /** Logs whose row is another's. */
  readonly foreign: readonly string[];
}

/** The cursors that count. One of before there were MACs is neither ours nor another's. */
export async function readOwnCursors(keys: StateKeys, tx: Tx, tenantId: string): Promise<OwnCursors> {
  const ours = new Map<string, CheckCursor>();
  const foreign = [...(await readBrokenCursors(tx, tenantId))];
  for (const [log, { mac, ...cursor }] of await readCheckCursors(tx, tenantId)) {
    if (mac === null) continue;
    if (equalBytes(mac, cursorMac(keys, { tenantId, log }, cursor))) ours.set(log, cursor);
    else foreign.push(log);
  }
  return { ours, foreign };
}

/** Stores a cursor with our MAC. */
export async function writeOwnCursor(keys: StateKeys, tx: Tx, place: LogPlace, cursor: CheckCursor): Promise<void> {
  await writeCheckCursor(tx, place, { ...cursor, mac: cursorMac(keys, place, cursor) });
}

/** When the checks went round last, RFC 3339; null: nobody says it whom we believe. */
export async function readOwnRound({ directoryKey }: StateKeys, tx: Tx): Promise<string | null> {
  const row = await readCheckRound(tx);
  return row !== null && equalBytes(row.mac, roundMac(directoryKey, row.at)) ? row.at : null;
}

/** Stores when the checks went round, with our MAC. */
export async function writeOwnRound({ directoryKey }: StateKeys, tx: Tx, at: string): Promise<void> {
  await writeCheckRound(tx, at, roundMac(directoryKey, at));
}

/** Check V10 for the rows of the checks themselves: whoever writes one wants less looked at. `isAsked`: which logs are looked at. */
export async function checkOwnState(
  checking: Checking,
  tenantId: string,
  isAsked: (log: string) => boolean,
  tell: Tell,
): Promise<void> {
  const { foreign } = await checking.ask((tx) => readOwnCursors(checking, tx, tenantId));
  for (const log of foreign.filter(isAsked)) tellForeign({ tenantId, log }, tell);
}

/** Tells that the cursor of a log is another's. */
export function tellForeign(place: LogPlace, tell: Tell): void {
  tell({
    ...place,
    code: 'CHECK_STATE_MISMATCH',
    index: null,
    table: 'check_cursor',
    expected: 'our MAC over how far the checks have come',
    found: 'another',
  });
}

function cursorMac({ directoryKey, originOf }: StateKeys, { tenantId, log }: LogPlace, c: CheckCursor): Uint8Array {
  const said = canonicalize({
    origin: originOf(tenantId, log),
    next_index: c.nextIndex,
    frontier: hex(c.frontier),
    verified: c.verified,
    checked_at: c.checkedAt,
    scrub_index: c.scrubIndex,
    scrub_frontier: hex(c.scrubFrontier),
    scrub_began_at: c.scrubBeganAt,
    scrubbed_at: c.scrubbedAt,
    conflicts: c.conflicts,
    skewed: c.skewed,
    // Cursors of before gaps were counted say nothing of them.
    ...(c.gaps > 0 && { gaps: c.gaps }),
  });
  return hmacSha256(directoryKey, utf8('sworn.checks/1\0'), said);
}

function roundMac(directoryKey: Uint8Array, at: string): Uint8Array {
  return hmacSha256(directoryKey, utf8(`sworn.check-round/1\0${at}`));
}
