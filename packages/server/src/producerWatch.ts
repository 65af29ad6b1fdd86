import { decodeLeaf, type Topic } from '@sworn/evidence';
import { timestamp } from './access/keys.js';
import { lifeLeaf } from './life.js';
import { AUDIT_KIND } from './otlp/map/log.js';
import type { ExpectedProducer, Signal } from './otlp/map/producerRules.js';
import { sinceHoursBegan } from './producerHours.js';
import { idOf } from './read/runItem.js';
import type { LeafDraft } from './record/draft.js';
import type { LifeEvent } from './record/lifeEvents.js';
import type { Sequencer } from './record/sequencer.js';
import { type Arrival, findArrivals, MAX_LOOKED_THROUGH, readNewestGap } from './store/arrivals.js';
import { type LogSize, readLogSizes } from './store/checkpointRead.js';
import { type Database, inTenant, type Tx } from './store/database.js';

/** Nobody looked for so long: this process, its database or its machine stood still, and could not have heard anybody. */
const MAX_PAUSE_MS = 60_000;

/** Where records of a signal stand. A leaf of Sworn's own is none of them, whatever its kind. */
const PLACES: Readonly<
  Record<Signal, readonly { readonly topic: Topic; readonly isOf: boolean; readonly kinds: readonly string[] }[]>
> = {
  traces: [{ topic: 'llm-runs', isOf: true, kinds: ['STEP', 'CONFLICT'] }],
  logs: [
    { topic: 'system', isOf: false, kinds: ['RESOURCE', 'TELEMETRY', 'GAP'] },
    { topic: 'audit', isOf: true, kinds: [AUDIT_KIND, 'CONFLICT'] },
  ],
  metrics: [{ topic: 'system', isOf: true, kinds: ['TELEMETRY'] }],
};

/** Looks who of those that should report is silent, and records when a gap opens and when it ends. */
export interface ProducerWatch {
  /** One look at every tenant. */
  round(): Promise<void>;
  /** Gaps that are open, as far as this process looks after them. */
  silent(): number;
}

/** What a watch needs. */
export interface ProducerWatchDeps {
  readonly db: Database;
  readonly expected: readonly ExpectedProducer[];
  readonly tenants: () => Promise<readonly string[]>;
  readonly platformTenant: string;
  /** The writer's: a gap stands in its tenant's own `system`. */
  readonly append: Sequencer['append'];
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** One process looks at a time. */
  readonly holdsLease: () => Promise<boolean>;
  /** Whether nothing is taken in, so that nobody can be heard. */
  readonly isDeaf: () => boolean;
  readonly now: () => number;
  readonly monotonicMs: () => number;
  readonly tell: (
    tenantId: string,
    gap: { readonly service: string; readonly signal: Signal; isOpen: boolean },
  ) => void;
  readonly onError: (tenantId: string, error: unknown) => void;
}

/** One signal of one producer, in one tenant. */
interface Watched {
  readonly expected: ExpectedProducer;
  readonly signal: Signal;
  /** When this process heard of it last, by the monotonic clock. */
  heardMs: number;
  /** The newest record of it since this process looks. */
  last: Arrival | null;
  /** The same, since the gap that is open. */
  since: Arrival | null;
  /** Sworn's newest record of its gaps; null: none; undefined: to be read. */
  newest: { readonly place: string; readonly isOpen: boolean; readonly silentSince: string } | null | undefined;
}

interface TenantWatch {
  readonly beganAt: string;
  /** Leaf index up to which each log was looked through. */
  readonly seen: Map<string, number>;
  readonly producers: readonly Watched[];
}

/**
 * Silence is measured by the monotonic clock, from the last record or from when this process began to listen: neither a clock that jumps nor a server that
 * was away makes a gap. What was heard is what is stored: leaves of the producer, sent with a key that may speak for its service.
 */
export function createProducerWatch(deps: ProducerWatchDeps): ProducerWatch {
  const watches = new Map<string, TenantWatch>();
  let lookedAt = Number.NEGATIVE_INFINITY;

  async function round(): Promise<void> {
    const isBroken = deps.monotonicMs() - lookedAt > MAX_PAUSE_MS;
    const holds = await deps.holdsLease();
    if (isBroken || !holds || deps.isDeaf()) watches.clear();
    lookedAt = deps.monotonicMs();
    if (!holds || deps.isDeaf()) return;
    for (const tenantId of await deps.tenants()) {
      if (tenantId === deps.platformTenant) continue;
      const expected = deps.expected.filter((one) => one.tenantId === null || one.tenantId === tenantId);
      if (expected.length === 0) continue;
      try {
        const watch = watches.get(tenantId) ?? beginning(expected);
        watches.set(tenantId, watch);
        await look(tenantId, watch);
        await record(tenantId, watch);
      } catch (error) {
        // Whoever could not be read may have reported: begin anew.
        watches.delete(tenantId);
        deps.onError(tenantId, error);
      }
    }
    lookedAt = deps.monotonicMs();
  }

  function beginning(expected: readonly ExpectedProducer[]): TenantWatch {
    const heardMs = deps.monotonicMs();
    return {
      beganAt: timestamp(deps.now()),
      seen: new Map(),
      producers: expected.flatMap((one) =>
        one.signals.map((signal) => ({
          expected: one,
          signal,
          heardMs,
          last: null,
          since: null,
          newest: undefined,
        })),
      ),
    };
  }

  async function look(tenantId: string, { seen, producers }: TenantWatch): Promise<void> {
    const heardMs = deps.monotonicMs();
    await inTenant(
      deps.db,
      'reader',
      tenantId,
      async (tx) => {
        const sizes = await readLogSizes(tx, tenantId);
        // What is there when this process begins to look says nothing of when it came; a log that is new since is all new.
        const isFirst = seen.size === 0;
        for (const { log, size } of sizes) if (!seen.has(log)) seen.set(log, isFirst ? size : 0);
        for (const watched of producers) {
          if (watched.newest === undefined) watched.newest = await newestGap(tx, tenantId, watched, sizes);
          const arrival = await newestArrival(tx, tenantId, { watched, sizes, seen });
          if (arrival === null) continue;
          watched.heardMs = heardMs;
          watched.last = arrival;
          watched.since = arrival;
        }
        for (const { log, size } of sizes) seen.set(log, size);
      },
      { readOnly: true, snapshot: true },
    );
  }

  async function record(tenantId: string, watch: TenantWatch): Promise<void> {
    const changed = watch.producers.flatMap((watched) => {
      const event = changeOf(watch, watched);
      return event === null ? [] : [{ watched, event }];
    });
    if (changed.length === 0) return;
    const origin = deps.openOriginOf(tenantId, 'system');
    const occurredAt = timestamp(deps.now());
    const drafts: LeafDraft[] = changed.map(({ event }) => lifeLeaf(event, origin, occurredAt));
    await deps.append(tenantId, drafts);
    for (const { watched, event } of changed) {
      watched.newest = undefined;
      watched.since = null;
      const isOpen = event.name === 'sworn.producer.silent';
      deps.tell(tenantId, { service: watched.expected.service, signal: watched.signal, isOpen });
    }
  }

  /** What is to be recorded of a producer now; null: nothing. Its identity is what stands before it, so that two processes record it once. */
  function changeOf({ beganAt }: TenantWatch, watched: Watched): LifeEvent | null {
    const { expected, signal, newest, since, last } = watched;
    if (newest === undefined) return null;
    const { service, silenceSeconds } = expected;
    const identity = [service, signal, newest?.place ?? ''];
    if (newest?.isOpen === true) {
      if (since === null) return null;
      const fields = { service, signal, silent_since: newest.silentSince, reported: idOf(since) };
      return { name: 'sworn.producer.reported', identity, fields };
    }
    if (quietMs(watched) < silenceSeconds * 1_000) return null;
    const silentSince = last?.recordedAt ?? beganAt;
    const fields = { service, signal, silence_seconds: silenceSeconds, silent_since: silentSince };
    return {
      name: 'sworn.producer.silent',
      identity,
      fields: last === null ? fields : { ...fields, reported: idOf(last) },
    };
  }

  function quietMs({ expected: { hours }, heardMs }: Watched): number {
    const quiet = deps.monotonicMs() - heardMs;
    return hours === null ? quiet : Math.min(quiet, sinceHoursBegan(hours, new Date(deps.now())) ?? 0);
  }

  return {
    round,
    silent() {
      const all = [...watches.values()].flatMap(({ producers }) => producers);
      return all.filter(({ newest }) => newest?.isOpen === true).length;
    },
  };
}

async function newestGap(
  tx: Tx,
  tenantId: string,
  { expected: { service }, signal }: Watched,
  sizes: readonly LogSize[],
): Promise<NonNullable<Watched['newest']> | null> {
  // The newest generation first.
  for (const { log } of sizes.filter(({ topic }) => topic === 'system')) {
    const found = await readNewestGap(tx, tenantId, { log, service, signal });
    if (found === null) continue;
    const { fields } = decodeLeaf(found.leaf);
    return {
      place: `${log}/${found.index}`,
      isOpen: fields['event_name'] === 'sworn.producer.silent',
      silentSince: String(fields['silent_since']),
    };
  }
  return null;
}

/** Of the logs where its signal stands, what came since they were looked through. */
async function newestArrival(
  tx: Tx,
  tenantId: string,
  {
    watched: { expected, signal },
    sizes,
    seen,
  }: { readonly watched: Watched; readonly sizes: readonly LogSize[]; readonly seen: ReadonlyMap<string, number> },
): Promise<Arrival | null> {
  let newest: Arrival | null = null;
  for (const { topic, isOf, kinds } of PLACES[signal]) {
    for (const { log, size } of sizes.filter((one) => one.topic === topic)) {
      const range = { log, isOf, kinds, service: expected.service };
      const found = await newestIn(tx, tenantId, { ...range, from: seen.get(log) ?? 0, below: size });
      if (found !== null && (newest === null || found.recordedAt > newest.recordedAt)) newest = found;
    }
  }
  return newest;
}

async function newestIn(tx: Tx, tenantId: string, range: Parameters<typeof findArrivals>[2]): Promise<Arrival | null> {
  let { below } = range;
  while (below > range.from) {
    const from = Math.max(range.from, below - MAX_LOOKED_THROUGH);
    const { arrivals, isWhole } = await findArrivals(tx, tenantId, { ...range, from, below });
    const found = arrivals.find((arrival) => isReport(arrival, range.service));
    if (found !== undefined) return found;
    below = isWhole ? from : (arrivals.at(-1)?.index ?? from);
  }
  return null;
}

/** A key that is bound to other services cannot speak for this one. */
function isReport({ leaf }: Arrival, service: string): boolean {
  const { fields } = decodeLeaf(leaf);
  return fields['by'] === 'producer' && fields['service'] === service && fields['foreign'] !== true;
}
