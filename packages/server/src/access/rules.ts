import type { Permission } from '@sworn/contract';

/** How whoever asks shows who he is. PUBLIC: not at all. SESSION: signed in by an identity provider. MACHINE: by an API key. */
export const TIERS = ['PUBLIC', 'SESSION', 'MACHINE'] as const;
export type Tier = (typeof TIERS)[number];

/** What a server is for, as it is told (`SWORN_ENVIRONMENT`). */
export const ENVIRONMENTS = ['production', 'preflight'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** How much of what was encrypted is shown: nothing of it, keyed hashes of it, or itself. */
export const PAYLOADS = ['none', 'hashes', 'full'] as const;
export type Payloads = (typeof PAYLOADS)[number];

/** A rule of `config/rbac.yaml`. */
export interface AccessRule {
  readonly id: string;
  /** Ids of endpoints, never URL text. */
  readonly endpoints: ReadonlySet<string>;
  readonly tier: Tier;
  readonly environment: Environment | 'any';
  readonly permission: Permission;
  /** Null: whatever the role. */
  readonly roles: ReadonlySet<string> | null;
  /** Largest `limit`; null: that of the contract. */
  readonly maxRows: number | null;
  /** Days that a list may span; null: any number. */
  readonly maxRangeDays: number | null;
  readonly includeSynthetic: boolean;
  readonly payloads: Payloads;
  /** Milliseconds since 1970, from which on it is as if the rule were not there; null: never. */
  readonly expires: number | null;
}

/** `config/rbac.yaml`, compiled. */
export interface Rules {
  readonly version: number;
  readonly roles: ReadonlyMap<string, ReadonlySet<Permission>>;
  /** The first that matches decides. */
  readonly rules: readonly AccessRule[];
}

/** A request, as rules see it. */
export interface Asking {
  readonly endpoint: string;
  readonly tier: Tier;
  readonly environment: Environment;
  readonly roles: readonly string[];
  /** Milliseconds since 1970: the latest time that anything vouches for. */
  readonly at: number;
}

/** What the roles may do together. A role that the file does not name may nothing. */
export function permissionsOf({ roles }: Rules, names: readonly string[]): ReadonlySet<Permission> {
  return new Set(names.flatMap((name) => [...(roles.get(name) ?? [])]));
}

/** Names of the roles that a session may have: it reads. */
export function sessionRoles({ roles }: Rules): readonly string[] {
  return [...roles].filter(([, may]) => !may.has('logs.ingest')).map(([name]) => name);
}

/** The rule that decides; null: none, and so nobody reads. */
export function ruleFor({ rules }: Rules, asking: Asking): AccessRule | null {
  return rules.find((rule) => isAbout(rule, asking) && !isOver(rule, asking.at)) ?? null;
}

/** The first rule that would decide if it had not expired. */
export function expiredRuleFor({ rules }: Rules, asking: Asking): AccessRule | null {
  return rules.find((rule) => isAbout(rule, asking) && isOver(rule, asking.at)) ?? null;
}

/** Whether time decides anything of it. */
export function hasExpiry({ rules }: Rules, asking: Omit<Asking, 'at'>): boolean {
  return rules.some((rule) => isAbout(rule, asking) && rule.expires !== null);
}

function isAbout(rule: AccessRule, { endpoint, tier, environment, roles }: Omit<Asking, 'at'>): boolean {
  return (
    rule.endpoints.has(endpoint) &&
    rule.tier === tier &&
    (rule.environment === 'any' || rule.environment === environment) &&
    (rule.roles === null || roles.some((role) => rule.roles?.has(role)))
  );
}

function isOver({ expires }: AccessRule, at: number): boolean {
  return expires !== null && at >= expires;
}
