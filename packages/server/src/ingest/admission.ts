/** Bytes of one process that may be between the socket and the disk at a time, and how much of that one tenant may hold. */
export interface AdmissionLimits {
  readonly processBytes: number;
  readonly tenantBytes: number;
}

const MIB = 1024 * 1024;

/** 64 MiB a process, a quarter of it a tenant (INTEGRITY.md, "Sequencing"); beside it, what one request is above its tenant's share. */
export const DEFAULT_ADMISSION: AdmissionLimits = { processBytes: 64 * MIB, tenantBytes: 16 * MIB };

/**
 * Admission by bytes in flight. A bound on requests would not bound memory: one request may be 64 MiB, or 2 KiB that inflate to it.
 * Bytes are reserved before they are held, so what is reserved is never less than what is in memory.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #tenants = new Map<string, { bytes: number; requests: number }>();
  #bytes = 0;
  /** As `#bytes`, without what lies above a tenant's share. */
  #counted = 0;
  /** The request that is above its tenant's share: one at a time. */
  #wide: object | null = null;

  constructor(limits: AdmissionLimits = DEFAULT_ADMISSION) {
    this.#limits = limits;
  }

  /** Bytes reserved now, all tenants together. */
  get bytesInFlight(): number {
    return this.#bytes;
  }

  /** Begins a request of a tenant, with nothing reserved. `release` must be called, once or more often. */
  open(tenantId: string): Reservation {
    const tenant = this.#tenants.get(tenantId) ?? { bytes: 0, requests: 0 };
    this.#tenants.set(tenantId, tenant);
    tenant.requests += 1;
    let reserved = 0;
    let open = true;
    const me = {};
    const { tenantBytes, processBytes } = this.#limits;
    // What lies above a share runs in a lane of its own, so that one tenant's large request takes no room from the others.
    const counted = (bytes: number): number => Math.min(bytes, tenantBytes);
    const set = (bytes: number): void => {
      this.#bytes += bytes - reserved;
      this.#counted += counted(bytes) - counted(reserved);
      tenant.bytes += bytes - reserved;
      reserved = bytes;
      if (reserved > tenantBytes) this.#wide = me;
      else if (this.#wide === me) this.#wide = null;
    };
    return {
      growTo: (bytes) => {
        if (!open) return false;
        if (bytes <= reserved) return true;
        const alone = tenant.bytes === reserved;
        const laneIsFree = this.#wide === null || this.#wide === me;
        const withinShare = tenant.bytes + bytes - reserved <= tenantBytes || (alone && laneIsFree);
        if (!withinShare || this.#counted + counted(bytes) - counted(reserved) > processBytes) return false;
        set(bytes);
        return true;
      },
      shrinkTo: (bytes) => {
        if (open && bytes < reserved) set(bytes);
      },
      release: () => {
        if (!open) return;
        set(0);
        open = false;
        tenant.requests -= 1;
        if (tenant.requests === 0) this.#tenants.delete(tenantId);
      },
    };
  }
}

/** What one request holds. */
export interface Reservation {
  /**
   * Reserves up to `bytes` in all, or nothing more and false: the tenant's share or the process is full. A request may go above its
   * tenant's share while the tenant has no other bytes in flight and no other request of the process is above a share.
   */
  growTo(bytes: number): boolean;
  /** Gives back what lies above `bytes`. */
  shrinkTo(bytes: number): void;
  release(): void;
}
