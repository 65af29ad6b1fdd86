import type { AUDIT_EVENTS, IDENTITY_EVENTS } from '@sworn/contract';

/**
 * Which class of OCSF 1.7.0 each kind of record is an event of, as data (docs/ocsf.md shows it; docs/decisions/0020 says why so). Numbers and
 * names of classes and activities are those of https://schema.ocsf.io/1.7.0.
 */
export const OCSF_CLASSES = {
  base_event: { uid: 0, name: 'Base Event', category: [0, 'Uncategorized'], activities: {} },
  detection_finding: {
    uid: 2004,
    name: 'Detection Finding',
    category: [2, 'Findings'],
    activities: { 1: 'Create', 2: 'Update', 3: 'Close' },
  },
  account_change: {
    uid: 3001,
    name: 'Account Change',
    category: [3, 'Identity & Access Management'],
    activities: { 10: 'MFA Factor Enable', 11: 'MFA Factor Disable' },
  },
  authentication: {
    uid: 3002,
    name: 'Authentication',
    category: [3, 'Identity & Access Management'],
    activities: { 1: 'Logon', 2: 'Logoff' },
  },
  entity_management: {
    uid: 3004,
    name: 'Entity Management',
    category: [3, 'Identity & Access Management'],
    activities: { 1: 'Create', 3: 'Update', 4: 'Delete', 9: 'Disable' },
  },
  api_activity: {
    uid: 6003,
    name: 'API Activity',
    category: [6, 'Application Activity'],
    activities: { 1: 'Create', 2: 'Read', 3: 'Update', 4: 'Delete' },
  },
  scan_activity: {
    uid: 6007,
    name: 'Scan Activity',
    category: [6, 'Application Activity'],
    activities: { 2: 'Completed' },
  },
} as const satisfies Readonly<Record<string, OcsfClass>>;

/** A class as far as it is used: its number, its name, its category, and the activities that records are of, beside 99, Other. */
interface OcsfClass {
  readonly uid: number;
  readonly name: string;
  readonly category: readonly [uid: number, name: string];
  readonly activities: Readonly<Record<number, string>>;
}

export type OcsfClassName = keyof typeof OCSF_CLASSES;

/** Of activity 99 the name of the activity is the type of the event: OCSF has no word for it. */
export const OTHER = 99;

/** A kind of record, as an event. */
export interface OcsfRow {
  readonly class: OcsfClassName;
  readonly activity: number;
  /** The outcome that is in the type's name. Of every other it is what the record says. */
  readonly outcome?: 'success' | 'failure';
  /** What it is about, where the record names no entity. */
  readonly entity?: string;
}

type OwnEvent = (typeof AUDIT_EVENTS)[keyof typeof AUDIT_EVENTS][number];
/** Types that the vocabulary of audit events has beside those of identity (`config/audit-vocabulary.yaml`). */
type ReportedEvent = 'INCIDENT_LINKED' | 'REVIEW' | 'NOTE' | 'POLICY_PUBLISHED' | 'EVENT';

/** By the type of the event. A type of Sworn's own that has no row does not compile. */
export const OCSF_ROWS: Readonly<Record<OwnEvent | (typeof IDENTITY_EVENTS)[number] | ReportedEvent, OcsfRow>> = {
  // A read is of the activity that its method asks for; a change is refused, whatever it was.
  READ: { class: 'api_activity', activity: 2 },
  READ_ENDED: { class: 'api_activity', activity: 2 },
  READ_FOLDED: { class: 'api_activity', activity: 2 },
  EXPORT_PENDING: { class: 'api_activity', activity: 2 },
  EXPORT_COMPLETED: { class: 'api_activity', activity: 2 },
  EXPORT_FAILED: { class: 'api_activity', activity: 2 },
  EXPORT_DELIVERED: { class: 'api_activity', activity: 2 },
  TENANT_CREATED: { class: 'entity_management', activity: 1 },
  KEY_CREATED: { class: 'entity_management', activity: 1 },
  KEY_REVOKED: { class: 'entity_management', activity: 9 },
  // No session begins with it: every request brings its key.
  TOKEN_FIRST_USED: { class: 'authentication', activity: OTHER, outcome: 'success' },
  TOKEN_REVOKED: { class: 'entity_management', activity: 9 },
  LOGIN: { class: 'authentication', activity: 1, outcome: 'success' },
  LOGOUT: { class: 'authentication', activity: 2, outcome: 'success' },
  LOGIN_FAILED: { class: 'authentication', activity: 1, outcome: 'failure' },
  MFA_ENROLLED: { class: 'account_change', activity: 10 },
  MFA_VERIFIED: { class: 'authentication', activity: OTHER, outcome: 'success' },
  MFA_FAILED: { class: 'authentication', activity: OTHER, outcome: 'failure' },
  MFA_REMOVED: { class: 'account_change', activity: 11 },
  SIGNING_KEY_ADDED: { class: 'entity_management', activity: 1 },
  SIGNING_KEY_RETIRED: { class: 'entity_management', activity: 9 },
  KEYS_CHECK: { class: 'base_event', activity: OTHER },
  SIGNER_ADOPTED: { class: 'entity_management', activity: 3 },
  LOG_RECOVERED: { class: 'entity_management', activity: 3 },
  CLOCK_ACCEPTED: { class: 'base_event', activity: OTHER },
  QUOTA_SET: { class: 'entity_management', activity: 3 },
  FINDING: { class: 'detection_finding', activity: 1 },
  FINDING_CLEARED: { class: 'detection_finding', activity: 3 },
  VERIFIED: { class: 'scan_activity', activity: 2 },
  ERASURE: { class: 'entity_management', activity: 4, entity: 'RECORDS' },
  RETENTION: { class: 'entity_management', activity: 4, entity: 'RECORDS' },
  HOLD: { class: 'entity_management', activity: 1, entity: 'HOLD' },
  HOLD_RELEASED: { class: 'entity_management', activity: 4, entity: 'HOLD' },
  DATABASE_URL: { class: 'api_activity', activity: 2 },
  SUPERUSER_URL: { class: 'api_activity', activity: 2 },
  INCIDENT_LINKED: { class: 'base_event', activity: OTHER },
  REVIEW: { class: 'base_event', activity: OTHER },
  NOTE: { class: 'base_event', activity: OTHER },
  POLICY_PUBLISHED: { class: 'entity_management', activity: OTHER },
  EVENT: { class: 'entity_management', activity: OTHER },
};

/** Every record of governance, whatever its type: what a rule said of a run. */
export const GOVERNANCE_ROW: OcsfRow = { class: 'detection_finding', activity: 1 };
/** Of a type that nobody foresaw, and of a record that lacks what its class demands. */
export const FALLBACK_ROW: OcsfRow = { class: 'base_event', activity: OTHER };
