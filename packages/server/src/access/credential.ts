/** Roles of API keys (CONTRACT.md §8). */
export type KeyRole = 'ingest' | 'reader' | 'auditor';
export type Permission = 'logs.read' | 'logs.export' | 'logs.audit' | 'logs.proof' | 'logs.ingest';

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
