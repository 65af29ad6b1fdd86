import { type Permission, TOPIC_PERMISSIONS } from '@sworn/contract';
import type { Topic } from '@sworn/evidence';
import { type Credential, nameOf, rolesOf } from './credential.js';
import { type KeyBounds, logsOf, topicsOf, UNBOUNDED } from './keyBounds.js';
import { Refusal } from './refusal.js';
import { CAN_WITHHOLD } from './rulesFile.js';
import {
  type AccessRule,
  type Environment,
  expiredRuleFor,
  hasExpiry,
  PAYLOADS,
  type Payloads,
  ruleFor,
  type Rules,
  type Tier,
} from './rules.js';

/** What one request may see. */
export interface Grant {
  readonly tenantId: string;
  readonly rule: AccessRule;
  readonly permissions: ReadonlySet<Permission>;
  readonly payloads: Payloads;
  /** Logs whose records may be shown, by the bounds of a key; null: all. */
  readonly logs: ReadonlySet<Topic> | null;
  /** What happened in it may be shown: from the one, before the other, RFC 3339 with six digits; null: without that end. */
  readonly occurred: { readonly from: string | null; readonly before: string | null };
}

/** Says who may read what. */
export interface Ruling {
  /** @throws Refusal `permission_denied`, naming the rule and what to do */
  admit(credential: Credential, endpoint: string): Promise<Grant>;
  /** What whoever shows no credential may see; null: nothing, and he has to show one. */
  admitAnyone(endpoint: string): Promise<Grant | null>;
}

/** What ruling needs. */
export interface RulingDeps {
  readonly rules: Rules;
  readonly environment: Environment;
  /** Whether the facade listens on loopback alone. */
  readonly isLoopback: boolean;
  /** The only synthetic tenant; null: there is none, or there are several. */
  readonly syntheticTenant: () => Promise<string | null>;
  /** Milliseconds since 1970, by the latest of all that tells the time: a clock that is set back revives no rule. */
  readonly latestTime: (tenantId: string | null) => Promise<number>;
}

export function createRuling({ rules, environment, isLoopback, syntheticTenant, latestTime }: RulingDeps): Ruling {
  return {
    async admit(credential, endpoint) {
      const { tenantId, permissions, tenantSynthetic, bounds } = credential;
      const roles = rolesOf(credential);
      const asking = { endpoint, tier: tierOf(credential), environment, roles };
      const at = hasExpiry(rules, asking) ? await latestTime(tenantId) : 0;
      const rule = ruleFor(rules, { ...asking, at });
      if (rule === null) throw unruled(expiredRuleFor(rules, { ...asking, at }), endpoint, credential);
      const denied = (why: string) => new Refusal('permission_denied', `${rule.id}: ${why}`, { rule: rule.id });
      if (!permissions.has(rule.permission)) throw denied(`${described(credential)} lacks ${rule.permission}`);
      if (tenantSynthetic && !rule.includeSynthetic) throw denied('the tenant is synthetic, which the rule leaves out');
      demandTopics(bounds, endpoint, denied);
      const payloads = stricter(rule.payloads, bounds.payloads);
      if (payloads !== 'full' && !CAN_WITHHOLD.has(endpoint))
        throw denied(`${endpoint} shows contents, and the key is for payloads: ${payloads}`);
      return { tenantId, rule, permissions, payloads, logs: logsOf(bounds), occurred: occurredOf(bounds) };
    },
    async admitAnyone(endpoint) {
      const asking = { endpoint, tier: 'PUBLIC' as const, environment, roles: [] };
      // Rules for anyone expire; what cannot or does not hold asks the database nothing.
      if (!isLoopback || !hasExpiry(rules, asking)) return null;
      if (ruleFor(rules, { ...asking, at: await latestTime(null) }) === null) return null;
      const tenantId = await syntheticTenant();
      if (tenantId === null) return null;
      const rule = ruleFor(rules, { ...asking, at: await latestTime(tenantId) });
      if (rule === null) return null;
      return {
        tenantId,
        rule,
        permissions: new Set([rule.permission]),
        payloads: rule.payloads,
        logs: null,
        occurred: occurredOf(UNBOUNDED),
      };
    },
  };
}

/** Whoever may not see all that an endpoint is for asks there in vain; of other topics its records are withheld and counted. */
function demandTopics({ topics }: KeyBounds, endpoint: string, denied: (why: string) => Refusal): void {
  const missing = topicsOf(endpoint).filter((topic) => topics?.includes(topic) === false);
  if (missing.length > 0) throw denied(`the key is not for ${missing.join(' and ')}, which ${endpoint} shows`);
}

function stricter(rule: Payloads, key: Payloads | null): Payloads {
  return PAYLOADS.find((payloads) => payloads === rule || payloads === key) ?? rule;
}

function occurredOf({ occurredFrom: from, occurredBefore: before }: KeyBounds): Grant['occurred'] {
  return { from, before };
}

function tierOf({ kind }: Credential): Tier {
  return kind === 'key' ? 'MACHINE' : 'SESSION';
}

/** Who it is, in words. */
export function described(credential: Credential): string {
  return `a ${credential.kind} of role ${nameOf(credential).role}`;
}

function unruled(expired: AccessRule | null, endpoint: string, credential: Credential): Refusal {
  if (expired !== null) {
    const day = new Date(expired.expires ?? 0).toISOString().slice(0, 10);
    return new Refusal('permission_denied', `${expired.id} expired on ${day}, and no other rule is about ${endpoint}`, {
      rule: expired.id,
    });
  }
  return new Refusal('permission_denied', `no rule lets ${described(credential)} read ${endpoint}`);
}

/** Whether records of a topic may be shown: each is by its own topic's permission, whatever the endpoint that returns it (CONTRACT.md §8). */
export function maySee({ permissions, logs }: Pick<Grant, 'permissions' | 'logs'>, topic: Topic): boolean {
  return permissions.has(TOPIC_PERMISSIONS[topic]) && logs?.has(topic) !== false;
}
