import type { ServerResponse } from 'node:http';
import { Refusal } from '../access/refusal.js';

/** Bytes of answers that may be made and not taken yet, of one process and of one tenant in it. */
export interface UnsentLimits {
  readonly processBytes: number;
  readonly tenantBytes: number;
}

/**
 * 256 MiB a process, a quarter of it a tenant: eight of the largest pages. By sockets alone, of which each may hold a page for as long as a slow reader
 * has patience, they would be sixteen gigabytes.
 */
export const UNSENT_LIMITS: UnsentLimits = { processBytes: 268_435_456, tenantBytes: 67_108_864 };

/** What one answer holds of it. */
export interface Held {
  /** As many bytes, in place of those before. False, and nothing has changed: there is no room. */
  set(bytes: number): boolean;
}

/** Counts what is made for readers who have not taken it. */
export class Unsent {
  readonly #limits: UnsentLimits;
  readonly #tenants = new Map<string, number>();
  #bytes = 0;

  constructor(limits: UnsentLimits = UNSENT_LIMITS) {
    this.#limits = limits;
  }

  /** Nothing more is read for whoever does not take what he has. @throws Refusal `unavailable` */
  demandRoom(tenantId: string): void {
    const mine = this.#tenants.get(tenantId) ?? 0;
    if (mine >= this.#limits.tenantBytes || this.#bytes >= this.#limits.processBytes) throw untaken();
  }

  /** Nothing at first; given back when the answer is over, however it ended. */
  of(tenantId: string, response: ServerResponse): Held {
    let held = 0;
    let isOver = response.closed;
    const count = (bytes: number): void => {
      this.#bytes += bytes - held;
      const mine = (this.#tenants.get(tenantId) ?? 0) + bytes - held;
      if (mine === 0) this.#tenants.delete(tenantId);
      else this.#tenants.set(tenantId, mine);
      held = bytes;
    };
    response.once('close', () => {
      isOver = true;
      count(0);
    });
    return {
      set: (bytes) => {
        if (isOver) return true;
        const { processBytes, tenantBytes } = this.#limits;
        const mine = (this.#tenants.get(tenantId) ?? 0) - held;
        // What is larger than a share goes alone.
        if ((mine > 0 && mine + bytes > tenantBytes) || this.#bytes - held + bytes > processBytes) return false;
        count(bytes);
        return true;
      },
    };
  }
}

/** Of whom it is told. */
export function untaken(): Refusal {
  return new Refusal('unavailable', 'answers wait for readers of this tenant who do not take them');
}
