import { randomUUID } from 'node:crypto';
import { FINDING_CODES, type FindingCode } from '@sworn/contract';
import type { JsonValue, Topic } from '@sworn/evidence';
import { timestamp } from '../access/keys.js';
import type { Appended, LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { vouchedMembers } from '../record/vouched.js';
import { noteSeen, readSeen } from '../store/checkState.js';
import { type ControlPlace, countControlOf, readControlOf } from '../store/checking.js';
import { type Database, inTenant, lookUp, type Tx } from '../store/database.js';
import { type Finding, findingId, findingOf } from './finding.js';

/** A finding that was opened and not cleared since. */
export interface OpenFinding extends Finding {
  readonly id: string;
  readonly openedAt: string;
  /** Index of its newest FINDING leaf in `control`. */
  readonly controlIndex: number;
}

/** What the register needs. */
export interface RegisterDeps {
  readonly db: Database;
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  readonly originOf: (tenantId: string, log: string) => string;
  /** Origin of the open log of a topic, to which leaves go. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  readonly directoryKey: Uint8Array;
  /** Where the findings of a tenant are kept that is not there any more. */
  readonly platformTenant: string;
  readonly isThere: (tenantId: string) => Promise<boolean>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The findings of a deployment: opened and cleared by leaves of `control`, so that their history is kept like any other. */
export interface Register {
  /** Those that stand in the `control` of this tenant. */
  open(tenantId: string): Promise<readonly OpenFinding[]>;
  /** Opens those that are not open, and notes that all were met. Returns those that were opened. */
  met(findings: readonly Finding[]): Promise<readonly Finding[]>;
  /** Clears the open ones that `wasLookedFor`, and that nobody met since `since`. */
  clear(tenantId: string, since: string, wasLookedFor: (finding: OpenFinding) => boolean): Promise<number>;
  /** The one record a day of what was checked; said again on the same day it is the same record. */
  summarise(tenantId: string, logs: readonly SummarisedLog[]): Promise<void>;
}

/** How far a log was found sound. */
export interface SummarisedLog {
  readonly log: string;
  readonly size: number;
  readonly verified: number;
}

/** Findings of one tenant that are open together: of an emptied table each record is one, and each is a leaf. `sworn fsck` tells them all. */
const MAX_OPEN = 1_000;
/** Logs named in one summary: a leaf has a bound, and a tenant five logs and their later generations. */
const LOGS_SUMMARISED = 64;

export function createRegister(deps: RegisterDeps): Register {
  const { db, append, directoryKey, now } = deps;
  const read = (tenantId: string) => lookUp(db, tenantId, (tx) => readRegister(deps, tx, tenantId));

  async function placeOf(tenantId: string): Promise<string> {
    return (await deps.isThere(tenantId)) ? tenantId : deps.platformTenant;
  }

  function leaf(
    tenantId: string,
    kind: string,
    identity: readonly string[],
    fields: Readonly<Record<string, JsonValue>>,
  ): LeafDraft {
    return ownLeaf({
      topic: 'control',
      origin: deps.openOriginOf(tenantId, 'control'),
      kind,
      identity,
      occurredAt: timestamp(now()),
      fields,
      vouchedBy: directoryKey,
      projection: { table: 'control_records', kind, subject: typeof fields.id === 'string' ? fields.id : null },
    });
  }

  return {
    async open(tenantId) {
      return [...(await read(tenantId)).open.values()];
    },
    async met(findings) {
      const told: Finding[] = [];
      const byPlace = new Map<string, Finding[]>();
      for (const finding of findings) {
        const place = await placeOf(finding.tenantId);
        byPlace.set(place, [...(byPlace.get(place) ?? []), finding]);
      }
      for (const [place, here] of byPlace) {
        const { opened, open } = await read(place);
        const unique = new Map(here.map((finding) => [findingId(finding), finding]));
        const toOpen = [...unique].filter(([id]) => !open.has(id)).slice(0, Math.max(0, MAX_OPEN - open.size));
        const draftOf = ([id, finding]: readonly [string, Finding], ...more: readonly string[]) =>
          leaf(place, 'FINDING', [id, String((opened.get(id) ?? 0) + 1), ...more], { id, ...fieldsOf(finding) });
        const drafts = toOpen.map((one) => draftOf(one));
        const appended = drafts.length === 0 ? [] : await append(place, drafts);
        const taken = toOpen.filter((_, i) => appended[i]?.outcome !== 'stored');
        if (taken.length > 0) {
          // Another process opened it at this moment; or its leaf is there, and somebody took away the row by which it is found: it is said anew.
          const openNow = (await read(place)).open;
          const hidden = taken.filter(([id]) => !openNow.has(id)).map((one) => draftOf(one, randomUUID()));
          if (hidden.length > 0) await append(place, hidden);
        }
        told.push(...[...unique].filter(([id]) => !open.has(id)).map(([, finding]) => finding));
        await inTenant(db, 'recorder', place, (tx) => noteSeen(tx, place, [...unique.keys()], timestamp(now())));
      }
      return told;
    },
    async clear(tenantId, since, wasLookedFor) {
      const place = await placeOf(tenantId);
      const { opened, open } = await read(place);
      const candidates = [...open.values()].filter(wasLookedFor);
      const seen = await lookUp(db, place, (tx) =>
        readSeen(
          tx,
          place,
          candidates.map(({ id }) => id),
        ),
      );
      const gone = candidates.filter(({ id, openedAt }) => (seen.get(id) ?? openedAt) < since && openedAt < since);
      if (gone.length > 0)
        await append(
          place,
          gone.map(({ id }) => leaf(place, 'FINDING_CLEARED', [id, String(opened.get(id) ?? 0)], { id })),
        );
      return gone.length;
    },
    async summarise(tenantId, logs) {
      const at = timestamp(now());
      const day = at.slice(0, 10);
      const { open } = await read(tenantId);
      const said = logs.slice(0, LOGS_SUMMARISED).map(({ log, size, verified }) => ({ log, size, verified }));
      await append(tenantId, [leaf(tenantId, 'VERIFIED', [day], { day, logs: said, findings: open.size })]);
    },
  };
}

/** What the leaves of a tenant's `control` say of findings. */
export interface RegisterRead {
  /** How often each was opened. */
  readonly opened: ReadonlyMap<string, number>;
  readonly open: ReadonlyMap<string, OpenFinding>;
  /** Place of the last row that was read (null: there was none), and how many up to there were ours. */
  readonly to: ControlPlace | null;
  readonly ours: number;
}

const NOTHING_READ: RegisterRead = { opened: new Map(), open: new Map(), to: null, ours: 0 };
const KINDS = ['FINDING', 'FINDING_CLEARED'];

/**
 * What the leaves of a tenant's `control` say: how often each finding was opened, and which are open. A row without our MAC says nothing.
 * @param known what was read before: then only what came after it is read, as long as as many rows stand up to there as said something. With one
 * more or less, somebody took away or put back a row by which a leaf is found, and all are read anew.
 */
export async function readRegister(
  { originOf, directoryKey }: Pick<RegisterDeps, 'originOf' | 'directoryKey'>,
  tx: Tx,
  tenantId: string,
  known: RegisterRead = NOTHING_READ,
): Promise<RegisterRead> {
  const isAsKnown = known.to !== null && (await countControlOf(tx, tenantId, KINDS, known.to)) === known.ours;
  const before = isAsKnown ? known : NOTHING_READ;
  const rows = await readControlOf(tx, tenantId, KINDS, before.to);
  const last = rows.at(-1);
  if (last === undefined) return before;
  const opened = new Map(before.opened);
  const open = new Map(before.open);
  let { ours } = before;
  for (const row of rows) {
    const claim = { ...row, origin: originOf(tenantId, row.log), eventKey: null };
    const cleared = vouchedMembers(directoryKey, { ...claim, kind: 'FINDING_CLEARED' });
    if (cleared !== null) open.delete(String(cleared.id));
    const said = cleared === null ? vouchedMembers(directoryKey, { ...claim, kind: 'FINDING' }) : null;
    if (cleared !== null || said !== null) ours++;
    const finding = said === null ? null : readFinding(said);
    if (said === null || finding === null) continue;
    const id = String(said.id);
    opened.set(id, (opened.get(id) ?? 0) + 1);
    open.set(id, { ...finding, id, openedAt: String(said.recorded_at), controlIndex: row.index });
  }
  return { opened, open, to: { generation: last.generation, index: last.index }, ours };
}

/** Longest text of a finding that goes into a leaf. */
const MAX_TEXT = 400;

/** What a FINDING leaf says; docs/spec/leaf.md. */
function fieldsOf(finding: Finding): Readonly<Record<string, JsonValue>> {
  const { check, code, tenantId, log, index, to, table, expected, found } = finding;
  return {
    check,
    finding: code,
    of_tenant: tenantId,
    of_log: log,
    ...(index !== null && { index }),
    ...(to !== undefined && { to }),
    table,
    expected: expected.slice(0, MAX_TEXT),
    found: found.slice(0, MAX_TEXT),
  };
}

const KNOWN_CODES: ReadonlySet<string> = new Set(Object.values(FINDING_CODES).flat());

function readFinding(said: Readonly<Record<string, JsonValue>>): Finding | null {
  const { finding: code, of_tenant: tenantId, of_log: log, index, to, table, expected, found } = said;
  if (typeof code !== 'string' || !KNOWN_CODES.has(code) || typeof tenantId !== 'string' || typeof log !== 'string')
    return null;
  return findingOf({
    code: code as FindingCode,
    tenantId,
    log,
    index: typeof index === 'number' ? index : null,
    ...(typeof to === 'number' && { to }),
    table: String(table),
    expected: String(expected),
    found: String(found),
  });
}

/** Whether a finding is about this leaf. */
export function isAbout({ log, index, to }: Finding, place: { readonly log: string; readonly index: number }): boolean {
  return log === place.log && index !== null && index <= place.index && place.index <= (to ?? index);
}
