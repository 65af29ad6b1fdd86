import { emptyFrontier, extendFrontier, type Frontier } from '@sworn/evidence';
import { isDenial, type SealedEvent } from './event.js';
import type { Denial } from './standing.js';

/** Policies, and incidents, of its events that are told apart, 128 bytes each; how many more a run names is then not known. */
const MAX_NAMES_HELD = 10_000;
/** Denials of one run among which its turning point is looked for, the earliest. */
const MAX_DENIALS = 1_000;

/** What a run's events come to. */
export interface FoldedEvents {
  readonly range: Frontier;
  readonly policyIds: readonly string[];
  readonly incidentIds: readonly string[];
  /** The earliest, in the order of time. */
  readonly denials: readonly Denial[];
}

/** A new one. However many events: names and denials are bounded, all others are counted and hashed. */
export function createEventFold(): { add(event: SealedEvent): void; finish(): FoldedEvents } {
  const policyIds = new Set<string>();
  const incidentIds = new Set<string>();
  let range = emptyFrontier;
  let pending: Uint8Array[] = [];
  let denials: Denial[] = [];
  const hold = (names: Set<string>, name: string | null) => {
    if (name !== null && names.size < MAX_NAMES_HELD) names.add(name);
  };
  const settle = () => {
    range = extendFrontier(range, pending);
    pending = [];
    denials = denials.toSorted((a, b) => (a.occurredAt < b.occurredAt ? -1 : Number(a.occurredAt > b.occurredAt)));
    denials = denials.slice(0, MAX_DENIALS);
  };
  return {
    add(event) {
      pending.push(event.leafHash);
      hold(policyIds, event.policyId);
      hold(incidentIds, event.incidentId);
      if (isDenial(event)) denials.push(event);
      if (pending.length === 1024) settle();
    },
    finish() {
      settle();
      return { range, policyIds: [...policyIds], incidentIds: [...incidentIds], denials };
    },
  };
}
