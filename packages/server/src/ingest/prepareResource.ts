import { hex, utf8 } from '@sworn/evidence';
import type { Attributes } from '../otlp/attributes.js';
import type { SourceSlice } from '../otlp/decoded.js';
import { nameShaped } from '../otlp/map/name.js';
import { type ResourceView, readResource, readScope } from '../otlp/span.js';
import { type DataKey, sealBody } from '../record/body.js';
import type { LeafDraft } from '../record/draft.js';
import { recordedAtOffset } from '../record/ownLeaf.js';
import type { Redactor } from '../record/redact/redactor.js';
import { encodeProducerLeaf, redactedMembers, timestampOf } from './prepareLeaf.js';
import { duplicateMac, eventKeyOf, redactionToken, type Tenancy } from './tenancy.js';

/** Prepared resources and scopes that are remembered: a process sends its own with every request, all day. */
const SOURCES_REMEMBERED = 2_048;

/** A resource or scope of a request, ready to be named by steps. */
export interface PreparedSource {
  /** Hex. */
  readonly eventKey: string;
  readonly draft: LeafDraft;
  /** What the mapping reads; of a scope, its attributes. */
  readonly view: ResourceView;
  /** Of a scope, its name, else empty. */
  readonly name: string;
  /** Sent with a key that is bound to other services. */
  readonly foreign: boolean;
}

/**
 * Makes RESOURCE drafts (kind RESOURCE, log `system`): one record a content and UTC day, so the event key holds both. Its time
 * is the server's, which the leaf says by `occurred_basis`: a resource has none of its own.
 */
export function createResourceDrafts(
  redactor: Redactor,
): (tenancy: Tenancy, slice: SourceSlice, dataKey: DataKey) => PreparedSource {
  const remembered = new Map<string, PreparedSource>();

  return (tenancy, slice, dataKey) => {
    const day = tenancy.at.toISOString().slice(0, 10);
    const mac = duplicateMac(tenancy, utf8(`RESOURCE\0${slice.part}\0${day}\0`), slice.bytes);
    const eventKey = hex(mac);
    const name = `${tenancy.systemOrigin}/${tenancy.credential.keyId}/${eventKey}`;
    const known = remembered.get(name);
    // The sequencer writes into a draft's leaf: each request gets its own copy.
    if (known !== undefined) return { ...known, draft: withOwnLeaf(known.draft) };
    const prepared = prepare(tenancy, slice, dataKey, mac);
    if (remembered.size >= SOURCES_REMEMBERED) remembered.clear();
    remembered.set(name, { ...prepared, draft: withOwnLeaf(prepared.draft) });
    return prepared;
  };

  function prepare(tenancy: Tenancy, slice: SourceSlice, dataKey: DataKey, named: Uint8Array): PreparedSource {
    const { credential, systemOrigin: origin } = tenancy;
    const { bytes, removed } = redactor.redact(slice.part, slice.bytes, (text) => redactionToken(tenancy, text));
    // A copy: what is remembered must not hold on to the request that it came in.
    const own = new Uint8Array(bytes);
    const scope = slice.part === 'scope' ? readScope(own) : null;
    const view = scope ?? readResource(own);
    const identity = slice.part === 'resource' ? identityOf(view.attributes) : NO_IDENTITY;
    const service = slice.part === 'resource' ? view.attributes.text('service.name') : null;
    const foreign =
      slice.part === 'resource' &&
      credential.services.length > 0 &&
      (service === null || !credential.services.includes(service));
    const eventKey = eventKeyOf(tenancy, foreign, named);
    const body = sealBody(dataKey, { origin, eventKey, path: 'body' }, bytes);
    const occurredAt = timestampOf(tenancy.at);
    const leaf = encodeProducerLeaf(
      { origin, kind: 'RESOURCE', keyId: credential.keyId, eventKey, occurredAt, body, dk: dataKey.id },
      {
        part: slice.part,
        occurred_basis: 'received',
        ...(identity.service !== null && { service: identity.service }),
        ...(identity.serviceInstance !== null && { service_instance: identity.serviceInstance }),
        ...(identity.hostId !== null && { host_id: identity.hostId }),
        ...(identity.environment !== null && { environment: identity.environment }),
        ...(foreign && { foreign: true }),
        ...redactedMembers(removed),
      },
    );
    const draft: LeafDraft = {
      topic: 'system',
      kind: 'RESOURCE',
      eventKey,
      digest: duplicateMac(tenancy, slice.bytes),
      traceId: null,
      runId: null,
      occurredAt,
      leaf,
      recordedAtOffset: recordedAtOffset(leaf),
      places: [],
      body: body.body,
      dk: dataKey.id,
      projection: { table: 'resources', part: slice.part, ...identity },
      // The event key is made of the bytes: other bytes have another.
      conflict: null,
    };
    return { eventKey: hex(eventKey), draft, view, name: scope?.name ?? '', foreign };
  }
}

function withOwnLeaf(draft: LeafDraft): LeafDraft {
  return { ...draft, leaf: new Uint8Array(draft.leaf) };
}

interface Identity {
  readonly service: string | null;
  readonly serviceInstance: string | null;
  readonly hostId: string | null;
  readonly environment: string | null;
}

const NO_IDENTITY: Identity = { service: null, serviceInstance: null, hostId: null, environment: null };

/** What telemetry is joined to runs by (OTLP.md 5.2), as far as it is name-shaped. */
function identityOf(attributes: Attributes): Identity {
  const named = (...keys: readonly string[]): string | null => {
    for (const key of keys) {
      const value = attributes.text(key);
      if (value !== null && nameShaped(value)) return value;
    }
    return null;
  };
  return {
    service: named('service.name'),
    serviceInstance: named('service.instance.id'),
    hostId: named('host.id'),
    environment: named('deployment.environment.name', 'deployment.environment'),
  };
}
