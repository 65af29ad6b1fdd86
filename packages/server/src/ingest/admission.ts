/** Bytes of one process that may be between the socket and the disk at a time, and how much of that one tenant may hold. */
export interface AdmissionLimits {
  readonly processBytes: number;
  readonly tenantBytes: number;
}

const MIB = 1024 * 1024;

/** 64 MiB a process, a quarter of it a tenant (INTEGRITY.md, "Sequencing"). */
export const DEFAULT_ADMISSION: AdmissionLimits = { processBytes: 64 * MIB, tenantBytes: 16 * MIB };

/**
 * Admission by bytes in flight. A bound on requests would not bound memory: one request may be 64 MiB, or 2 KiB that inflate to it.
 * Bytes are reserved before they are held, so what is reserved is never less than what is in memory.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #tenants = new Map<string, { bytes: number; requests: number }>();
  #bytes = 0;

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
    return {
      growTo: (bytes) => {
        if (!open) return false;
        const more = bytes - reserved;
        if (more <= 0) return true;
        const alone = tenant.bytes === reserved;
        const withinShare = tenant.bytes + more <= this.#limits.tenantBytes || alone;
        // Alone in the whole process a request is always taken, so that none can be refused for ever.
        const withinProcess = this.#bytes + more <= this.#limits.processBytes || this.#bytes === reserved;
        if (!withinShare || !withinProcess) return false;
        reserved += more;
        tenant.bytes += more;
        this.#bytes += more;
        return true;
      },
      shrinkTo: (bytes) => {
        const less = reserved - bytes;
        if (less <= 0 || !open) return;
        reserved -= less;
        tenant.bytes -= less;
        this.#bytes -= less;
      },
      release: () => {
        if (!open) return;
        open = false;
        tenant.bytes -= reserved;
        this.#bytes -= reserved;
        tenant.requests -= 1;
        if (tenant.requests === 0) this.#tenants.delete(tenantId);
      },
    };
  }
}

/** What one request holds. */
export interface Reservation {
  /**
   * Reserves up to `bytes` in all, or nothing more and false: the tenant's share or the process is full. A request may go
   * above its tenant's share while the tenant has no other bytes in flight.
   */
  growTo(bytes: number): boolean;
  /** Gives back what lies above `bytes`. */
  shrinkTo(bytes: number): void;
  release(): void;
}
