import { createGate, type Gate } from '../access/gate.js';

/** Looks for answers when it is the tenant's turn. @throws Refusal `unavailable` when that does not come in time */
export type Turns = <T>(tenantId: string, look: () => Promise<T>) => Promise<T>;

/**
 * Reads of one tenant that are at the database and at their answers at a time: half of the reader's connections, so that others, and whoever seals,
 * find one free, and a page of theirs waits for four of his and not for hundreds.
 */
const READS_AT_ONCE = 4;
/** Reads of one tenant that wait; there are no more, as the recorder of reads lets so many of a tenant in. */
const READS_WAITING = 512;

/** Turns of the tenants of one process, each tenant's first come first served. */
export function createTurns(): Turns {
  const gates = new Map<string, { readonly gate: Gate; reads: number }>();
  return async (tenantId, look) => {
    let tenant = gates.get(tenantId);
    if (tenant === undefined) {
      const gate = createGate(READS_AT_ONCE, READS_WAITING, 'more of this tenant is read than can be answered soon');
      gates.set(tenantId, (tenant = { gate, reads: 0 }));
    }
    tenant.reads += 1;
    try {
      return await tenant.gate(look);
    } finally {
      tenant.reads -= 1;
      if (tenant.reads === 0) gates.delete(tenantId);
    }
  };
}
