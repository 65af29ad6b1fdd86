import { OCSF_VERSION, type OcsfEvent } from '@sworn/contract';
import { OCSF_CLASSES, type OcsfClassName, OTHER } from './ocsfRows.js';

/** What an event says of itself, whatever its class. */
export interface OcsfFrame {
  readonly class: OcsfClassName;
  readonly activity: number;
  /** The type of the event, in Sworn's words. */
  readonly type: string;
  readonly severity: OcsfSeverity;
  /** RFC 3339. */
  readonly time: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, unknown>> & Readonly<Record<'uid' | 'tenant_uid' | 'log_name', string>>;
  /** Attributes of its class. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** All that Sworn says of it. */
  readonly sworn: object;
}

/** `severity_id`, and its name. */
export type OcsfSeverity = readonly [id: number, name: string];

export const SEVERITIES = {
  unknown: [0, 'Unknown'],
  informational: [1, 'Informational'],
  medium: [3, 'Medium'],
  critical: [5, 'Critical'],
} as const satisfies Readonly<Record<string, OcsfSeverity>>;

/** An event of OCSF. */
export function ocsfEventOf(frame: OcsfFrame): OcsfEvent {
  const { uid, name, category } = OCSF_CLASSES[frame.class];
  const activities: Readonly<Record<number, string>> = OCSF_CLASSES[frame.class].activities;
  const activity = activities[frame.activity] ?? 'Other';
  return {
    category_uid: category[0],
    category_name: category[1],
    class_uid: uid,
    class_name: name,
    activity_id: frame.activity,
    activity_name: frame.activity === OTHER ? frame.type : activity,
    type_uid: uid * 100 + frame.activity,
    type_name: `${name}: ${activity}`,
    severity_id: frame.severity[0],
    severity: frame.severity[1],
    time: millisOf(frame.time),
    timezone_offset: 0,
    message: frame.message,
    ...frame.attributes,
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'Sworn', vendor_name: 'Sworn' },
      event_code: frame.type,
      ...frame.metadata,
    },
    unmapped: { sworn: withoutNulls(frame.sworn) },
  };
}

/** Milliseconds since 1970, as OCSF counts; of a finer time the whole ones. */
export function millisOf(time: string): number {
  return Date.parse(time);
}

/** OCSF leaves out what there is none of. Of a list every item stands. */
function withoutNulls(value: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== null && member !== undefined)
      .map(([name, member]: [string, unknown]) => [
        name,
        typeof member === 'object' && member !== null && !Array.isArray(member) ? withoutNulls(member) : member,
      ]),
  );
}
