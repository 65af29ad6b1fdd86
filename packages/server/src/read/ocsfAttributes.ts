import type { AuditItem } from '@sworn/contract';
import { authorizationRule } from './auditItem.js';
import type { SoundEntry } from './checkEntry.js';
import { methodOf } from './identityItem.js';
import { GOVERNANCE_ROW, type OcsfRow, OTHER } from './ocsfRows.js';

type Attributes = Readonly<Record<string, unknown>>;

/** What the class of an event demands, and what else of it the record knows. Null: it lacks something that the class demands. */
export function classAttributes(row: OcsfRow, item: AuditItem, entry: SoundEntry): Attributes | null {
  switch (row.class) {
    case 'base_event':
      return { ...statusOf(row, item) };
    case 'api_activity':
      return apiActivity(row, item, entry);
    case 'authentication':
      return authentication(row, item, entry);
    case 'account_change': {
      const user = userOf(item);
      return user === null ? null : { ...statusOf(row, item), ...actor(item), ...source(item), user };
    }
    case 'entity_management': {
      const entity = entityOf(row, item);
      return entity === null ? null : { ...statusOf(row, item), ...actor(item), ...source(item), entity };
    }
    case 'detection_finding':
      return row === GOVERNANCE_ROW ? governance(item) : finding(item, entry);
    case 'scan_activity':
      break;
  }
  return scan(item, entry);
}

/** A request, and how it was decided. A command at the server comes from there. */
function apiActivity(row: OcsfRow, item: AuditItem, entry: SoundEntry): Attributes {
  const { endpoint, event_type: type, status, reason, decision, permission, run_id: run, record_id: record } = item;
  const rule = authorizationRule(entry);
  const policy = { ...(rule !== null && { name: rule }), ...(permission !== null && { uid: permission }) };
  const isHere = endpoint === null || item.actor_type === 'COMMAND';
  const { count } = item;
  return {
    ...statusOf(row, item),
    actor: {
      ...(actorOf(item) ?? UNKNOWN_ACTOR),
      ...(decision !== null && {
        authorizations: [{ decision, ...(Object.keys(policy).length > 0 && { policy }) }],
      }),
    },
    api: {
      operation: endpoint ?? type,
      service: { name: 'Sworn' },
      ...(status !== null && { response: { code: status, ...(reason !== null && { error: reason }) } }),
    },
    ...(status !== null && { http_response: { code: status } }),
    src_endpoint: source(item).src_endpoint ?? { name: isHere ? 'localhost' : 'Unknown' },
    ...resourcesOf(run, record),
    ...(type === 'READ_FOLDED' && count !== null && { count }),
  };
}

/** Who signed in where. What a producer reports is of a service of his, what Sworn records is of Sworn. */
function authentication(row: OcsfRow, item: AuditItem, { members: m }: SoundEntry): Attributes | null {
  const user = userOf(item);
  if (user === null) return null;
  const [method, provider, session] = [methodOf(item.log, m), m.text('identity_provider'), m.text('session')];
  const actors = actorOf(item);
  return {
    ...statusOf(row, item),
    ...(actors !== null && { actor: { ...actors, ...(provider !== null && { idp: { name: provider } }) } }),
    ...source(item),
    user,
    service: { name: item.log === 'audit' ? (item.service ?? 'unknown_service') : 'Sworn' },
    ...(method !== null && { auth_protocol_id: OTHER, auth_protocol: method }),
    ...(session !== null && { session: { uid: session } }),
    ...(item.event_type.startsWith('MFA_') && { is_mfa: true }),
  };
}

/** What a rule said of a run: as a finding of the security control that the rule is. */
function governance(item: AuditItem): Attributes {
  const { id, category, policy_id: policy, policy_version: version, rule_id: rule, decision } = item;
  return {
    finding_info: {
      uid: id,
      title: [category, policy ?? rule].filter((word) => word !== null).join(' '),
      types: [category],
      ...(rule !== null && { analytic: { uid: rule, type_id: 1, type: 'Rule' } }),
    },
    ...actionOf(decision),
    is_alert: category === 'VIOLATION' || decision === 'DENY',
    ...(policy !== null && { policy: { uid: policy, ...(version !== null && { version }) } }),
    ...resourcesOf(item.run_id, null),
  };
}

/** `action_id` of the profile `security_control`: no other decision has a number. */
function actionOf(decision: AuditItem['decision']): Attributes {
  if (decision === 'ALLOW') return { action_id: 1, action: 'Allowed' };
  if (decision === 'DENY') return { action_id: 2, action: 'Denied' };
  return decision === null || decision === 'NONE'
    ? { action_id: 0, action: 'Unknown' }
    : { action_id: OTHER, action: decision };
}

/** What a check found in the record, or that it no longer does: both have the id of the finding. */
function finding(item: AuditItem, { members: m }: SoundEntry): Attributes {
  const [check, code, log] = [m.text('check'), m.text('finding'), m.text('of_log')];
  const isCleared = item.event_type === 'FINDING_CLEARED';
  return {
    finding_info: {
      uid: item.entity_id ?? item.id,
      title: code ?? item.event_type,
      ...(check !== null && { types: [check], analytic: { uid: check, type_id: 1, type: 'Rule' } }),
    },
    status_id: isCleared ? 4 : 1,
    status: isCleared ? 'Resolved' : 'New',
    is_alert: !isCleared,
    ...(log !== null && { resources: [{ name: log, type: 'LOG' }] }),
  };
}

/** The daily word of the checks: how many findings are open. */
function scan(item: AuditItem, { members: m }: SoundEntry): Attributes {
  const findings = m.count('findings');
  return {
    scan: { uid: item.id, name: 'checks of the record', type_id: 2, type: 'Scheduled' },
    ...(findings !== null && { num_detections: findings }),
  };
}

const SUCCESS = { status_id: 1, status: 'Success' } as const;
const FAILURE = { status_id: 2, status: 'Failure' } as const;

/** How it went: what its type says, else what was answered, else what was decided. Nothing where nothing says so. */
function statusOf({ outcome }: OcsfRow, { status, decision, reason }: AuditItem): Attributes {
  const detail = {
    ...(status !== null && { status_code: String(status) }),
    ...(reason !== null && { status_detail: reason }),
  };
  if (outcome !== undefined) return { ...(outcome === 'success' ? SUCCESS : FAILURE), ...detail };
  if (status !== null) return { ...(status < 400 ? SUCCESS : FAILURE), ...detail };
  if (decision === 'ALLOW') return { ...SUCCESS, ...detail };
  return decision === 'DENY' ? { ...FAILURE, ...detail } : detail;
}

const UNKNOWN_ACTOR = { user: { name: 'Unknown', type_id: 0, type: 'Unknown' } } as const;

function actor(item: AuditItem): Attributes {
  const found = actorOf(item);
  return found === null ? {} : { actor: found };
}

/** Who acted. A key is a credential, of whoever holds it. Null: the record names nobody. */
function actorOf({ log, actor_type: type, actor_id: id, metadata }: AuditItem): Attributes | null {
  switch (type) {
    case null:
      return null;
    case 'API_KEY':
      return id === null ? UNKNOWN_ACTOR : { user: keyUser(id) };
    case 'COMMAND':
      return { app_name: 'sworn' };
    case 'SWORN':
      return { app_name: 'Sworn' };
    case 'UNKNOWN':
      return UNKNOWN_ACTOR;
    case 'HUMAN':
      // Whoever reads here is signed in: the credential is his session.
      if (log === 'access' && id !== null && metadata.human_actor_id !== null)
        return { user: personUser(metadata.human_actor_id), session: { uid: id } };
      return id === null ? null : { user: personUser(id) };
    case 'AGENT':
    case 'SYSTEM':
      break;
  }
  return id === null ? null : { app_uid: id };
}

/** Whom a sign-in or a change of an account is about: who acted, and of Sworn's own records the key. */
function userOf({ log, actor_type: type, actor_id: actorId, entity_type: about, entity_id: entity }: AuditItem) {
  if (log !== 'audit' && type !== 'HUMAN') return about === 'KEY' && entity !== null ? keyUser(entity) : null;
  if (actorId === null) return entity === null ? null : personUser(entity);
  return type === 'HUMAN' ? personUser(actorId) : { uid: actorId, type_id: OTHER, type };
}

const keyUser = (id: string) => ({ uid: id, credential_uid: id, type_id: OTHER, type: 'API_KEY' });
/** By his token. */
const personUser = (token: string) => ({ uid: token, type_id: 1, type: 'User' });

/** The address it came from, as its token: OCSF's `ip` takes addresses only. */
function source({ source: token }: AuditItem): { readonly src_endpoint?: { readonly uid: string } } {
  return token === null ? {} : { src_endpoint: { uid: token } };
}

function entityOf({ entity }: OcsfRow, item: AuditItem): Attributes | null {
  const { entity_type: type, entity_id: id, policy_id: policy } = item;
  if (type !== null || id !== null)
    return { ...(id !== null && { uid: id }), ...(type !== null && { name: type, type }), type_id: OTHER };
  if (policy !== null) return { uid: policy, type: 'POLICY', type_id: OTHER };
  return entity === undefined ? null : { name: entity, type: entity, type_id: OTHER };
}

function resourcesOf(run: string | null, record: string | null): Attributes {
  if (run !== null) return { resources: [{ uid: run, type: 'RUN' }] };
  return record === null ? {} : { resources: [{ uid: record, type: 'RECORD' }] };
}
