/**
 * Of the Open Cybersecurity Schema Framework, version 1.7.0 (https://schema.ocsf.io/1.7.0; Apache-2.0), what events of Sworn use: names of
 * attributes, their types, which ones are required, the numbers of enumerations with their captions, and which attributes an object needs at
 * least one of. Facts of the schema in a form of our own, taken down class by class and object by object from its published definition, not
 * from what Sworn writes; no text of it is here. Whoever uses an attribute that is not here looks it up and adds it: an attribute that is not
 * here is refused.
 */

/** An attribute: a JSON type, an object by name, a list of one, or the numbers of an enumeration. A name that ends in `!` is required. */
type Attribute =
  | 'string'
  | 'integer'
  | 'boolean'
  | 'free'
  | { readonly object: string }
  | { readonly list: Attribute }
  | Captions;
type Captions = { readonly captions: Readonly<Record<number, string>>; readonly sibling: string };
type Attributes = Readonly<Record<string, Attribute>>;

const object = (name: string) => ({ object: name });
const list = (of: Attribute) => ({ list: of });
const UNKNOWN_OTHER = { 0: 'Unknown', 99: 'Other' };
const captions = (sibling: string, known: Readonly<Record<number, string>>) => ({
  captions: { ...UNKNOWN_OTHER, ...known },
  sibling,
});

const STATUS = captions('status', { 1: 'Success', 2: 'Failure' });
const SEVERITY = captions('severity', {
  1: 'Informational',
  2: 'Low',
  3: 'Medium',
  4: 'High',
  5: 'Critical',
  6: 'Fatal',
});

/** base_event: of every class. */
const BASE: Attributes = {
  'activity_id!': captions('activity_name', {}),
  activity_name: 'string',
  category_name: 'string',
  'category_uid!': 'integer',
  class_name: 'string',
  'class_uid!': 'integer',
  count: 'integer',
  message: 'string',
  'metadata!': object('metadata'),
  severity: 'string',
  'severity_id!': SEVERITY,
  status: 'string',
  status_code: 'string',
  status_detail: 'string',
  status_id: STATUS,
  'time!': 'integer',
  timezone_offset: 'integer',
  type_name: 'string',
  'type_uid!': 'integer',
  unmapped: 'free',
};

/** iam: of the classes of Identity & Access Management. */
const IAM: Attributes = { ...BASE, actor: object('actor'), src_endpoint: object('network_endpoint') };

interface ClassFacts {
  readonly name: string;
  readonly category: readonly [uid: number, name: string];
  readonly attributes: Attributes;
  readonly atLeastOne?: readonly string[];
  /** Attributes that its profiles add, by the profile that `metadata.profiles` has to name. */
  readonly profiles?: Readonly<Record<string, Attributes>>;
}

const ENTITY = ['name', 'uid'];

/** Classes by `class_uid`. */
export const CLASSES: Readonly<Record<number, ClassFacts>> = {
  0: { name: 'Base Event', category: [0, 'Uncategorized'], attributes: BASE },
  2004: {
    name: 'Detection Finding',
    category: [2, 'Findings'],
    attributes: {
      ...BASE,
      'activity_id!': captions('activity_name', { 1: 'Create', 2: 'Update', 3: 'Close' }),
      status_id: captions('status', {
        1: 'New',
        2: 'In Progress',
        3: 'Suppressed',
        4: 'Resolved',
        5: 'Archived',
        6: 'Deleted',
      }),
      'finding_info!': object('finding_info'),
      is_alert: 'boolean',
      resources: list(object('resource_details')),
    },
    profiles: {
      security_control: {
        action: 'string',
        action_id: captions('action', { 1: 'Allowed', 2: 'Denied', 3: 'Observed', 4: 'Modified' }),
        policy: object('policy'),
      },
    },
  },
  3001: {
    name: 'Account Change',
    category: [3, 'Identity & Access Management'],
    attributes: {
      ...IAM,
      'activity_id!': captions('activity_name', {
        1: 'Create',
        2: 'Enable',
        3: 'Password Change',
        4: 'Password Reset',
        5: 'Disable',
        6: 'Delete',
        7: 'Attach Policy',
        8: 'Detach Policy',
        9: 'Lock',
        10: 'MFA Factor Enable',
        11: 'MFA Factor Disable',
        12: 'Unlock',
      }),
      'user!': object('user'),
    },
  },
  3002: {
    name: 'Authentication',
    category: [3, 'Identity & Access Management'],
    atLeastOne: ['service', 'dst_endpoint'],
    attributes: {
      ...IAM,
      'activity_id!': captions('activity_name', {
        1: 'Logon',
        2: 'Logoff',
        3: 'Authentication Ticket',
        4: 'Service Ticket Request',
        5: 'Service Ticket Renew',
        6: 'Preauth',
        7: 'Account Switch',
      }),
      auth_protocol: 'string',
      auth_protocol_id: captions('auth_protocol', {
        1: 'NTLM',
        2: 'Kerberos',
        3: 'Digest',
        4: 'OpenID',
        5: 'SAML',
        6: 'OAUTH 2.0',
        7: 'PAP',
        8: 'CHAP',
        9: 'EAP',
        10: 'RADIUS',
        11: 'Basic Authentication',
        12: 'LDAP',
      }),
      is_mfa: 'boolean',
      service: object('service'),
      session: object('session'),
      'user!': object('user'),
    },
  },
  3004: {
    name: 'Entity Management',
    category: [3, 'Identity & Access Management'],
    attributes: {
      ...IAM,
      'activity_id!': captions('activity_name', {
        1: 'Create',
        2: 'Read',
        3: 'Update',
        4: 'Delete',
        5: 'Move',
        6: 'Enroll',
        7: 'Unenroll',
        8: 'Enable',
        9: 'Disable',
        10: 'Activate',
        11: 'Deactivate',
        12: 'Suspend',
        13: 'Resume',
      }),
      'entity!': object('managed_entity'),
    },
  },
  6003: {
    name: 'API Activity',
    category: [6, 'Application Activity'],
    attributes: {
      ...BASE,
      'activity_id!': captions('activity_name', { 1: 'Create', 2: 'Read', 3: 'Update', 4: 'Delete' }),
      'actor!': object('actor'),
      'api!': object('api'),
      http_response: object('http_response'),
      resources: list(object('resource_details')),
      'src_endpoint!': object('network_endpoint'),
    },
  },
  6007: {
    name: 'Scan Activity',
    category: [6, 'Application Activity'],
    attributes: {
      ...BASE,
      'activity_id!': captions('activity_name', {
        1: 'Started',
        2: 'Completed',
        3: 'Cancelled',
        4: 'Duration Violation',
        5: 'Pause Violation',
        6: 'Error',
        7: 'Paused',
        8: 'Resumed',
        9: 'Restarted',
        10: 'Delayed',
      }),
      num_detections: 'integer',
      'scan!': object('scan'),
      total: 'integer',
    },
  },
};

interface ObjectFacts {
  readonly attributes: Attributes;
  readonly atLeastOne?: readonly string[];
}

/** Objects by name. */
export const OBJECTS: Readonly<Record<string, ObjectFacts>> = {
  metadata: {
    attributes: {
      correlation_uid: 'string',
      event_code: 'string',
      log_name: 'string',
      log_source: 'string',
      logged_time: 'integer',
      original_time: 'string',
      'product!': object('product'),
      profiles: list('string'),
      sequence: 'integer',
      tenant_uid: 'string',
      uid: 'string',
      'version!': 'string',
    },
  },
  product: { attributes: { name: 'string', uid: 'string', 'vendor_name!': 'string' }, atLeastOne: ENTITY },
  actor: {
    attributes: {
      app_name: 'string',
      app_uid: 'string',
      authorizations: list(object('authorization')),
      idp: object('idp'),
      session: object('session'),
      user: object('user'),
    },
    atLeastOne: ['process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'],
  },
  user: {
    attributes: {
      name: 'string',
      uid: 'string',
      credential_uid: 'string',
      type: 'string',
      type_id: captions('type', { 1: 'User', 2: 'Admin', 3: 'System', 4: 'Service' }),
    },
    atLeastOne: ['account', 'name', 'uid'],
  },
  authorization: { attributes: { decision: 'string', policy: object('policy') } },
  policy: { attributes: { name: 'string', uid: 'string', version: 'string' }, atLeastOne: ENTITY },
  idp: { attributes: { name: 'string', uid: 'string' }, atLeastOne: ENTITY },
  session: { attributes: { uid: 'string' } },
  service: { attributes: { name: 'string', uid: 'string' }, atLeastOne: ENTITY },
  network_endpoint: {
    attributes: { name: 'string', uid: 'string' },
    atLeastOne: ['ip', 'uid', 'name', 'hostname', 'svc_name', 'instance_uid', 'interface_uid', 'interface_name'],
  },
  api: { attributes: { 'operation!': 'string', response: object('response'), service: object('service') } },
  response: { attributes: { code: 'integer', error: 'string' } },
  http_response: { attributes: { 'code!': 'integer' } },
  resource_details: { attributes: { name: 'string', uid: 'string', type: 'string' }, atLeastOne: ENTITY },
  managed_entity: {
    attributes: {
      name: 'string',
      uid: 'string',
      type: 'string',
      // 1 to 7 are entities that Sworn has none of.
      type_id: captions('type', {}),
    },
    atLeastOne: ENTITY,
  },
  finding_info: {
    attributes: {
      analytic: object('analytic'),
      desc: 'string',
      first_seen_time: 'integer',
      last_seen_time: 'integer',
      title: 'string',
      types: list('string'),
      'uid!': 'string',
    },
  },
  analytic: {
    attributes: { name: 'string', uid: 'string', type: 'string', 'type_id!': captions('type', { 1: 'Rule' }) },
    atLeastOne: ENTITY,
  },
  scan: {
    attributes: {
      name: 'string',
      uid: 'string',
      type: 'string',
      'type_id!': captions('type', { 1: 'Manual', 2: 'Scheduled' }),
    },
    atLeastOne: ENTITY,
  },
};

type Json = Readonly<Record<string, unknown>>;

/** What of an event is not as the schema has it, as sentences. */
export function faultsOf(event: Json): readonly string[] {
  const facts = CLASSES[Number(event['class_uid'])];
  if (facts === undefined) return [`class_uid ${String(event['class_uid'])} is of no class`];
  const { profiles = [] } = (event['metadata'] ?? {}) as { readonly profiles?: readonly string[] };
  const unknown = profiles.filter((profile) => facts.profiles?.[profile] === undefined);
  const attributes = Object.assign({}, facts.attributes, ...profiles.map((profile) => facts.profiles?.[profile]));
  const expected: Json = {
    category_uid: facts.category[0],
    category_name: facts.category[1],
    class_name: facts.name,
    type_uid: Number(event['class_uid']) * 100 + Number(event['activity_id']),
  };
  return [
    ...unknown.map((profile) => `metadata.profiles: ${profile} is no profile of ${facts.name}`),
    ...membersOf({ attributes, ...(facts.atLeastOne && { atLeastOne: facts.atLeastOne }) }, event, ''),
    ...Object.entries(expected).flatMap(([name, value]) =>
      event[name] === value ? [] : [`${name} is ${String(event[name])} and not ${String(value)}`],
    ),
  ];
}

function membersOf({ attributes, atLeastOne }: ObjectFacts, value: Json, path: string): readonly string[] {
  const named = new Map(Object.entries(attributes).map(([name, attribute]) => [name.replace('!', ''), attribute]));
  const missing = Object.keys(attributes).flatMap((name) =>
    name.endsWith('!') && value[name.slice(0, -1)] === undefined ? [`${path}${name.slice(0, -1)} is missing`] : [],
  );
  const constrained =
    atLeastOne === undefined || atLeastOne.some((name) => value[name] !== undefined)
      ? []
      : [`${path} has none of ${atLeastOne.join(', ')}`];
  const wrong = Object.entries(value).flatMap(([name, member]) => {
    const attribute = named.get(name);
    if (attribute === undefined) return [`${path}${name} is no attribute`];
    return [...valueFaults(attribute, member, `${path}${name}`), ...siblingFaults(attribute, value, member, path)];
  });
  return [...missing, ...constrained, ...wrong];
}

function valueFaults(attribute: Attribute, value: unknown, path: string): readonly string[] {
  if (attribute === 'free') return isObject(value) ? [] : [`${path} is no object`];
  if (attribute === 'integer') return Number.isSafeInteger(value) ? [] : [`${path} is no integer`];
  if (typeof attribute === 'string') return typeof value === attribute ? [] : [`${path} is no ${attribute}`];
  if ('captions' in attribute)
    return Object.hasOwn(attribute.captions, Number(value)) && typeof value === 'number'
      ? []
      : [`${path} has no ${String(value)}`];
  if ('list' in attribute)
    return Array.isArray(value)
      ? value.flatMap((item, i) => valueFaults(attribute.list, item, `${path}[${i}]`))
      : [`${path} is no list`];
  const facts = OBJECTS[attribute.object];
  if (facts === undefined) throw new Error(`no facts of ${attribute.object}`);
  return isObject(value) ? membersOf(facts, value, `${path}.`) : [`${path} is no object`];
}

/** The text beside a number is the number's caption; of 99 it is the source's own word. */
function siblingFaults(attribute: Attribute, value: Json, member: unknown, path: string): readonly string[] {
  if (typeof attribute === 'string' || !('captions' in attribute)) return [];
  const { sibling } = attribute;
  const text = value[sibling];
  const caption = attribute.captions[Number(member)];
  if (member === 99) return typeof text === 'string' && text !== '' ? [] : [`${path}${sibling} has no word for Other`];
  return text === undefined || text === caption ? [] : [`${path}${sibling} is ${String(text)} and not ${caption}`];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
