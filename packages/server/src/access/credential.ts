import type { Permission } from '@sworn/contract';
import type { KeyBounds } from './keyBounds.js';

export type { Permission } from '@sworn/contract';

/** Roles of API keys (CONTRACT.md §8). */
export type KeyRole = 'ingest' | 'reader' | 'auditor';

/** A verified credential: the only source of the tenant. */
export type Credential = KeyCredential | SessionCredential;

/** What every credential says. */
interface Verified {
  readonly tenantId: string;
  readonly permissions: ReadonlySet<Permission>;
  readonly tenantSynthetic: boolean;
  readonly expiresAt: Date;
  /** What it may see of what its permissions let it. */
  readonly bounds: KeyBounds;
}

/** An API key of ours. */
export interface KeyCredential extends Verified {
  readonly kind: 'key';
  readonly keyId: string;
  readonly role: KeyRole;
  /** e.g. `ingest:assert`: `sworn.*` attributes of this key take effect. */
  readonly scopes: readonly string[];
  /** Service names this ingest key is bound to; empty: any. */
  readonly services: readonly string[];
}

/** Somebody whom an identity provider signed in. */
export interface SessionCredential extends Verified {
  readonly kind: 'session';
  /** Token (`tok_…`) of the issuer and its subject: the same person at two issuers is two. */
  readonly actorId: string;
  /** The issuer's name in `config/oidc.yaml`. */
  readonly issuer: string;
  /** Token (`tok_…`) of what the issuer calls the session: `sid`, else `jti`, else the token itself. */
  readonly sessionId: string;
  /** None where no value of its claim is mapped to one. Names of roles, as `config/oidc.yaml` gives them to values of claims. */
  readonly roles: readonly string[];
}

/** A credential as records name it. Holds no personal value. */
export interface NamedCredential {
  /** Of a key its id, of a person a token. */
  readonly id: string;
  /** Role, or roles with `+` between them; `none`. */
  readonly role: string;
  /** Null: of a key. */
  readonly session: { readonly issuer: string; readonly id: string } | null;
}

/** Who it is, for records. */
export function nameOf(credential: Credential): NamedCredential {
  const role = rolesOf(credential).join('+') || 'none';
  if (credential.kind === 'key') return { id: credential.keyId, role, session: null };
  return { id: credential.actorId, role, session: { issuer: credential.issuer, id: credential.sessionId } };
}

/** Names of the roles it has. */
export function rolesOf(credential: Credential): readonly string[] {
  return credential.kind === 'key' ? [credential.role] : credential.roles;
}
