import { DOWNLOAD_ROUTES, ENDPOINTS, MAX_LONG_PAGE, type Permission, PERMISSIONS, TLOG_ROUTES } from '@sworn/contract';
import { type AccessRule, ENVIRONMENTS, PAYLOADS, type Rules, TIERS } from './rules.js';

/** Something wrong with the rules, and where. */
interface RulesMistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for rules that cannot be used; names every mistake. */
export class RulesRefused extends Error {
  readonly mistakes: readonly RulesMistake[];

  constructor(mistakes: readonly RulesMistake[]) {
    super(`rules of access:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

const MAX_RULES = 256;
const MAX_ROLES = 64;
/** Ten years: a longer bound is none. */
const MAX_DAYS = 3_653;
const RULE_ID = /^[A-Z][A-Z0-9_]{0,63}$/;
const ROLE = /^[a-z][a-z0-9_-]{0,31}$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** Roles that API keys may have. */
const KEY_ROLES = ['reader', 'auditor', 'ingest'];
const REQUIRED = ['id', 'endpoints', 'tier', 'environment', 'permission', 'include_synthetic', 'payloads'];
const OPTIONAL = ['roles', 'max_rows', 'max_range_days', 'expires'];

/** What the contract asks for, by endpoint. */
const PERMISSION_OF: ReadonlyMap<string, Permission> = new Map(
  [...ENDPOINTS, ...TLOG_ROUTES, ...DOWNLOAD_ROUTES].map(({ id, permission }) => [id, permission] as const),
);

/** Endpoints that show nothing of what was encrypted, or can leave it out. Any other, one that is added too, takes `payloads: full`. */
export const CAN_WITHHOLD: ReadonlySet<string> = new Set([
  'llm_runs.list',
  'llm_runs.envelope',
  'llm_runs.trace',
  'llm_runs.export',
  'system.audit',
  'audit.list',
  'audit.identity',
  'audit.authorization',
  'audit.access',
  'audit.integrity',
  'audit.exports',
  'exports.download',
  'tlog.checkpoint',
  'tlog.entries',
  'tlog.tile',
]);

type Refuse = (path: RulesMistake['path'], why: string) => null;
type Members = Readonly<Record<string, unknown>>;

/**
 * Compiles rules of access. Strict: what is unknown, missing, twice there, of another form, or contradicts itself is a mistake.
 * @throws RulesRefused naming every mistake.
 */
export function compileRules(content: unknown): Rules {
  const mistakes: RulesMistake[] = [];
  const refuse = (path: RulesMistake['path'], why: string): null => (mistakes.push({ path, why }), null);
  const file = membersOf(content, ['version', 'roles', 'rules'], [], [], refuse);
  if (file['version'] !== 1) refuse(['version'], 'must be 1');
  const roles = rolesOf(file['roles'], refuse);
  const given = Array.isArray(file['rules']) ? file['rules'] : [];
  if (given.length === 0 || given.length > MAX_RULES) refuse(['rules'], `must be a list of 1 to ${MAX_RULES} rules`);
  const rules = given.slice(0, MAX_RULES).map((rule, i) => ruleOf(rule, ['rules', i], refuse));
  if (mistakes.length === 0) for (const [i, rule] of rules.entries()) contradictions(rules, rule, i, roles, refuse);
  if (mistakes.length > 0) throw new RulesRefused(mistakes);
  return { version: 1, roles, rules };
}

function rolesOf(value: unknown, refuse: Refuse): ReadonlyMap<string, ReadonlySet<Permission>> {
  const roles = new Map<string, ReadonlySet<Permission>>();
  if (!isObject(value) || Object.keys(value).length > MAX_ROLES) {
    refuse(['roles'], `must name at most ${MAX_ROLES} roles, each with a list of permissions`);
    return roles;
  }
  for (const [name, list] of Object.entries(value)) {
    const path = ['roles', name];
    if (!ROLE.test(name)) refuse(path, 'a role is small letters, digits, - and _, at most 32');
    const permissions = wordsOf(list, PERMISSIONS, path, refuse);
    if (permissions.includes('logs.ingest') && permissions.length > 1)
      refuse(path, 'who writes does not read: take logs.ingest out, or make it a role of its own');
    roles.set(name, new Set(permissions));
  }
  for (const name of KEY_ROLES)
    if (!roles.has(name))
      refuse(['roles'], `lacks ${name}, which keys have; give it a list, an empty one if it may nothing`);
  return roles;
}

function ruleOf(value: unknown, path: RulesMistake['path'], refuse: Refuse): AccessRule {
  const rule = membersOf(value, REQUIRED, OPTIONAL, path, refuse);
  const at = (name: string) => [...path, name];
  const { id, include_synthetic: includeSynthetic, expires } = rule;
  if (id !== undefined && (typeof id !== 'string' || !RULE_ID.test(id)))
    refuse(at('id'), 'must be capital letters, digits and _, at most 64');
  if (includeSynthetic !== undefined && typeof includeSynthetic !== 'boolean')
    refuse(at('include_synthetic'), 'must be true or false');
  const isDay = typeof expires === 'string' && DAY.test(expires) && !Number.isNaN(Date.parse(`${expires}T00:00:00Z`));
  if (expires !== undefined && !isDay) refuse(at('expires'), 'must be a day, e.g. 2026-03-01');
  const roles = rule['roles'];
  const areRoles = Array.isArray(roles) && roles.length > 0 && roles.every((role) => typeof role === 'string');
  if (roles !== undefined && !areRoles) refuse(at('roles'), 'must be a list of names of roles');
  return {
    id: String(id),
    endpoints: new Set(rule['endpoints'] === undefined ? [] : endpointsOf(rule['endpoints'], at('endpoints'), refuse)),
    tier: wordOf(rule, TIERS, 'tier', path, refuse),
    environment: wordOf(rule, [...ENVIRONMENTS, 'any'] as const, 'environment', path, refuse),
    permission: wordOf(rule, PERMISSIONS, 'permission', path, refuse),
    roles: areRoles ? new Set(roles) : null,
    maxRows: countOf(rule, 'max_rows', MAX_LONG_PAGE, path, refuse),
    maxRangeDays: countOf(rule, 'max_range_days', MAX_DAYS, path, refuse),
    includeSynthetic: includeSynthetic === true,
    payloads: wordOf(rule, PAYLOADS, 'payloads', path, refuse),
    expires: isDay ? Date.parse(`${expires}T00:00:00Z`) : null,
  };
}

function endpointsOf(value: unknown, path: RulesMistake['path'], refuse: Refuse): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) {
    refuse(path, 'must be a list of ids of endpoints');
    return [];
  }
  for (const [i, id] of value.entries()) {
    if (typeof id !== 'string' || !PERMISSION_OF.has(id))
      refuse(
        [...path, i],
        `${JSON.stringify(id)} is no id of an endpoint; there is ${[...PERMISSION_OF.keys()].join(', ')}`,
      );
    else if (value.indexOf(id) !== i) refuse([...path, i], 'stands twice');
  }
  return value.filter((id): id is string => typeof id === 'string');
}

/** Rules that each are well-formed, and that cannot mean what they say. */
function contradictions(
  all: readonly AccessRule[],
  rule: AccessRule,
  i: number,
  roles: Rules['roles'],
  refuse: Refuse,
): void {
  const at = (name: string) => ['rules', i, name];
  const before = all.slice(0, i);
  if (before.some(({ id }) => id === rule.id)) refuse(at('id'), 'stands twice; access records name rules by it');
  for (const id of rule.endpoints) {
    const asked = PERMISSION_OF.get(id);
    if (asked !== rule.permission) refuse(at('permission'), `${id} takes ${asked}: give it a rule of that permission`);
  }
  const telling = [...rule.endpoints].filter((id) => !CAN_WITHHOLD.has(id));
  if (rule.payloads !== 'full' && telling.length > 0)
    refuse(at('payloads'), `${telling.join(', ')} cannot withhold: take full, or leave them out of this rule`);
  if (rule.tier === 'PUBLIC') publicContradictions(rule, at, refuse);
  else if (![...roles.values()].some((role) => role.has(rule.permission)))
    refuse(at('permission'), `no role has ${rule.permission}: nobody could use the rule`);
  for (const role of rule.roles ?? []) {
    if (!roles.has(role)) refuse(at('roles'), `there is no role ${role}; add it under roles`);
    else if (!roles.get(role)?.has(rule.permission))
      refuse(at('roles'), `role ${role} lacks ${rule.permission}: give it that, or take it out here`);
    else if (rule.tier === 'MACHINE' && !KEY_ROLES.includes(role))
      refuse(at('roles'), `no key has the role ${role}: keys are ${KEY_ROLES.join(', ')}`);
  }
  const shadow = before.find((one) => covers(one, rule));
  if (shadow !== undefined)
    refuse(['rules', i], `never decides anything: ${shadow.id} stands before it and takes all of it`);
}

/** Who shows nothing gets nothing real. */
function publicContradictions(rule: AccessRule, at: (name: string) => RulesMistake['path'], refuse: Refuse): void {
  if (rule.environment !== 'preflight') refuse(at('environment'), 'PUBLIC is for preflight only');
  if (rule.permission !== 'logs.read') refuse(at('permission'), 'PUBLIC is for logs.read only');
  if (rule.expires === null) refuse(at('expires'), 'PUBLIC must expire: give it a day');
  if (!rule.includeSynthetic) refuse(at('include_synthetic'), 'PUBLIC reads the synthetic tenant and no other: true');
  if (rule.roles !== null) refuse(at('roles'), 'who shows no credential has no role: take it out');
}

function covers(one: AccessRule, other: AccessRule): boolean {
  return (
    one.expires === null &&
    one.tier === other.tier &&
    (one.environment === 'any' || one.environment === other.environment) &&
    (one.roles === null || (other.roles !== null && [...other.roles].every((role) => one.roles?.has(role)))) &&
    [...other.endpoints].every((id) => one.endpoints.has(id))
  );
}

function wordOf<T extends string>(
  rule: Members,
  words: readonly T[],
  name: string,
  path: RulesMistake['path'],
  refuse: Refuse,
): T {
  const value = rule[name];
  const word = words.find((one) => one === value);
  if (word === undefined && value !== undefined) refuse([...path, name], `must be one of ${words.join(', ')}`);
  return word ?? (words[0] as T);
}

function wordsOf<T extends string>(
  value: unknown,
  words: readonly T[],
  path: RulesMistake['path'],
  refuse: Refuse,
): readonly T[] {
  const list = Array.isArray(value) ? value : null;
  const known = words.filter((word) => list?.includes(word));
  if (list === null || known.length !== list.length) refuse(path, `must be a list of ${words.join(', ')}, each once`);
  return known;
}

function countOf(rule: Members, name: string, most: number, path: RulesMistake['path'], refuse: Refuse): number | null {
  const value = rule[name];
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most) return value;
  return refuse([...path, name], `must be a whole number from 1 to ${most}; leave it out for no bound`);
}

function membersOf(
  value: unknown,
  required: readonly string[],
  optional: readonly string[],
  path: RulesMistake['path'],
  refuse: Refuse,
): Members {
  if (!isObject(value)) {
    refuse(path, `must have ${required.join(', ')}`);
    return {};
  }
  const known = [...required, ...optional];
  for (const name of Object.keys(value))
    if (!known.includes(name)) refuse([...path, name], `is no part of it; there is ${known.join(', ')}`);
  for (const name of required) if (value[name] === undefined) refuse(path, `lacks ${name}`);
  return value;
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
