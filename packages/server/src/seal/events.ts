import { stepKey } from '@sworn/evidence';
import type { Tx } from '../store/database.js';
import { type EventTie, findEvents, readCome } from '../store/sealedEvents.js';
import { findRuns, readLeavesAt } from '../store/sealing.js';
import { readEvent, type SealedEvent, stepOfEvent } from './event.js';
import { type Member, ownerOf } from './membership.js';

/** Runs or traces asked for with one statement. */
const VALUES_AT_ONCE = 256;
/** Events found at once of each of many; one that has more is asked for alone, so many at once. */
const EACH = 64;
const ALONE = 20_000;
/** Leaves read at once, about 4 MB. Of runs that have no more together they are read together. */
const LEAVES_AT_ONCE = 4_000;

/** Where events are looked for: for the runs of one log of steps. */
export interface EventPlaces {
  readonly ask: <T>(look: (tx: Tx) => Promise<T>) => Promise<T>;
  readonly tenantId: string;
  /** Of topic `llm-runs`. */
  readonly log: string;
  /** The logs of topic `audit`, from the first generation on, and below which leaf index they are looked at. */
  readonly audit: readonly AuditSize[];
}

/** A log of topic `audit`, and how much of it. */
export interface AuditSize {
  readonly log: string;
  readonly size: number;
}

/** A run, as of what its RUN leaf names. */
export interface EventsAsked {
  readonly runId: string;
  /** Its traces, with the MEMBER leaves that are heeded. */
  readonly traces: readonly { readonly traceId: string; readonly members: readonly Member[] }[];
  /** Steps with a leaf index below it have come. */
  readonly stepsBelow: number;
  /** Runs with an OPENED leaf below it are known. */
  readonly membersBelow: number;
  readonly audit: readonly AuditSize[];
  /** The run of each step (span id) of a trace that was carved, but for steps that are the owner's for coming so late. */
  readonly runsOfSpans: (traceId: string, members: readonly Member[]) => Promise<ReadonlyMap<string, string>>;
}

/** What is given the events of a run, in the order of their logs. */
export interface EventFold {
  addEvent(event: SealedEvent): void;
}

/** Finds the events that RUN leaves heed. */
export interface EventFinder {
  /** Looks where those of these runs and traces are. Forgets those before. */
  load(runIds: readonly string[], traceIds: readonly string[]): Promise<void>;
  /** The events of a run that was loaded with all its traces, in the order of their logs, in pieces. */
  of(asked: EventsAsked): AsyncGenerator<readonly SealedEvent[]>;
}

/**
 * Whose an event is (docs/governance.md, "Whose"): of the run that it says; else of that of its step, where that came; else of the one that its hint
 * names, where there is one; else of the owner of its trace.
 */
export function createEventFinder(places: EventPlaces): EventFinder {
  const { ask, tenantId, log } = places;
  /** Leaf indexes by audit log, tie and value. */
  let found = new Map<string, number[]>();
  let leaves: ReadonlyMap<string, SealedEvent> | null = null;

  async function lookFor(at: AuditSize, tie: EventTie, values: readonly string[]): Promise<void> {
    for (let from = 0; from < values.length; from += VALUES_AT_ONCE) {
      const some = values.slice(from, from + VALUES_AT_ONCE);
      const window = { log: at.log, below: at.size, after: null, each: EACH };
      const rows = await ask((tx) => findEvents(tx, tenantId, { tie, values: some }, window));
      const last = new Map<string, (typeof rows)[number]>();
      for (const row of rows) {
        note(keyOf(at.log, tie, row.value), row.index);
        last.set(row.value, row);
      }
      for (const [value, row] of last) {
        if (found.get(keyOf(at.log, tie, value))?.length === EACH) await lookOn(at, tie, row);
      }
    }
  }

  async function lookOn(
    at: AuditSize,
    tie: EventTie,
    last: { readonly value: string; index: number; occurredAt: string },
  ) {
    for (let after = last; ; ) {
      const window = { log: at.log, below: at.size, after, each: ALONE };
      const rows = await ask((tx) => findEvents(tx, tenantId, { tie, values: [last.value] }, window));
      for (const row of rows) note(keyOf(at.log, tie, last.value), row.index);
      const next = rows.at(-1);
      if (next === undefined || rows.length < ALONE) return;
      after = next;
    }
  }

  function note(key: string, index: number): void {
    const indexes = found.get(key);
    if (indexes === undefined) found.set(key, [index]);
    else indexes.push(index);
  }

  async function readAt(auditLog: string, indexes: readonly number[]): Promise<SealedEvent[]> {
    const events: SealedEvent[] = [];
    for (const leaf of await ask((tx) => readLeavesAt(tx, tenantId, auditLog, indexes))) {
      const event = readEvent(leaf);
      if (event !== null) events.push(event);
    }
    return events;
  }

  /** Leaf indexes of one log that may be a run's, in order. */
  function indexesOf({ runId, traces }: EventsAsked, { log: auditLog, size }: AuditSize): number[] {
    const all = new Set<number>();
    const add = (key: string) => {
      for (const index of found.get(key) ?? []) if (index < size) all.add(index);
    };
    add(keyOf(auditLog, 'RUN', runId));
    add(keyOf(auditLog, 'HINT', runId));
    for (const { traceId } of traces) add(keyOf(auditLog, 'TRACE', traceId));
    return [...Float64Array.from(all).sort()];
  }

  /** Which of these are the run's. */
  async function ownAmong(asked: EventsAsked, events: readonly SealedEvent[]): Promise<SealedEvent[]> {
    const { runId, stepsBelow, membersBelow } = asked;
    const inDoubt = events.filter((event) => event.runId === null && event.hintedRun !== null);
    const keys = [...new Set(inDoubt.flatMap((event) => stepOfEvent(event) ?? []))];
    const hinted = [...new Set(inDoubt.flatMap((event) => event.hintedRun ?? []))].filter((run) => run !== runId);
    const come = keys.length === 0 ? NONE : await ask((tx) => readCome(tx, tenantId, log, { keys, below: stepsBelow }));
    const opened = hinted.length === 0 ? [] : await ask((tx) => findRuns(tx, tenantId, log, hinted));
    const known = new Set(opened.flatMap((run) => (run.runIndex < membersBelow ? [run.runId] : [])));
    const membersOf = new Map(asked.traces.map(({ traceId, members }) => [traceId, members]));
    const own: SealedEvent[] = [];
    for (const event of events) {
      const run = await runOf(asked, event, { come, known, members: membersOf.get(event.traceId ?? '') ?? null });
      if (run === runId) own.push(event);
    }
    return own;
  }

  return {
    async load(runIds, traceIds) {
      found = new Map();
      leaves = null;
      for (const at of places.audit) {
        if (at.size === 0) continue;
        await lookFor(at, 'RUN', runIds);
        await lookFor(at, 'HINT', runIds);
        await lookFor(at, 'TRACE', traceIds);
      }
      const ofLog = new Map(places.audit.map((at) => [at.log, new Set<number>()]));
      for (const [key, indexes] of found)
        for (const index of indexes) ofLog.get(key.slice(0, key.indexOf(' ')))?.add(index);
      if ([...ofLog.values()].reduce((sum, { size }) => sum + size, 0) > LEAVES_AT_ONCE) return;
      const read = new Map<string, SealedEvent>();
      for (const [auditLog, indexes] of ofLog)
        if (indexes.size > 0)
          for (const event of await readAt(auditLog, [...indexes])) read.set(`${auditLog} ${event.index}`, event);
      leaves = read;
    },
    async *of(asked) {
      for (const at of asked.audit) {
        const indexes = indexesOf(asked, at);
        for (let from = 0; from < indexes.length; from += LEAVES_AT_ONCE) {
          const some = indexes.slice(from, from + LEAVES_AT_ONCE);
          const held = leaves;
          const events =
            held === null ? await readAt(at.log, some) : some.flatMap((index) => held.get(`${at.log} ${index}`) ?? []);
          yield await ownAmong(asked, events);
        }
      }
    },
  };
}

/** What is known of an event's surroundings. */
interface Surroundings {
  /** Steps that came, by event key. */
  readonly come: ReadonlySet<string>;
  /** Runs that hints name and that were opened. */
  readonly known: ReadonlySet<string>;
  /** Of its trace; null: the run has no part of that. */
  readonly members: readonly Member[] | null;
}

/** The run that an event is of; null: of none that was asked about. */
async function runOf(
  { runId, runsOfSpans }: EventsAsked,
  event: SealedEvent,
  { come, known, members }: Surroundings,
): Promise<string | null> {
  const { hintedRun, traceId, spanId } = event;
  if (event.runId !== null) return event.runId;
  const owner = traceId === null || members === null ? null : ownerOf(traceId, members);
  if (traceId !== null && spanId !== null) {
    const isCarved = members?.some(({ roots }) => roots.length > 0) === true;
    const placed = isCarved ? (await runsOfSpans(traceId, members)).get(spanId) : undefined;
    if (placed !== undefined) return placed;
    if (hintedRun !== null && come.has(stepKey({ traceId, spanId }))) return owner;
  }
  if (hintedRun !== null && (hintedRun === runId || known.has(hintedRun))) return hintedRun;
  return owner;
}

const NONE: ReadonlySet<string> = new Set();

function keyOf(auditLog: string, tie: EventTie, value: string): string {
  return `${auditLog} ${tie} ${value}`;
}
