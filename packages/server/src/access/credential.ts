import type { Permission } from '@sworn/contract';

export type { Permission } from '@sworn/contract';

/** Roles of API keys (CONTRACT.md §8). */
export type KeyRole = 'ingest' | 'reader' | 'auditor';

/** A verified credential: the only source of the tenant. */
export interface Credential {
  readonly tenantId: string;
  readonly keyId: string;
  readonly role: KeyRole;
  readonly permissions: ReadonlySet<Permission>;
  /** e.g. `ingest:assert`: `sworn.*` attributes of this key take effect. */
  readonly scopes: readonly string[];
  /** Service names this ingest key is bound to; empty: any. */
  readonly services: readonly string[];
  readonly tenantSynthetic: boolean;
  readonly expiresAt: Date;
}

const ROLE_PERMISSIONS: Readonly<Record<KeyRole, ReadonlySet<Permission>>> = {
  ingest: new Set(['logs.ingest']),
  reader: new Set(['logs.read', 'logs.export']),
  auditor: new Set(['logs.read', 'logs.export', 'logs.audit', 'logs.proof']),
};

/** What keys of a role may do: ingest keys cannot read, and reader keys cannot write. */
export function permissionsOf(role: KeyRole): ReadonlySet<Permission> {
  return ROLE_PERMISSIONS[role];
}
