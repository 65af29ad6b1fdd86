import { createHash } from 'node:crypto';
import type { OtlpJson, OtlpObject } from '@sworn/server';

/** How a recording becomes a run of its own. */
export interface Renewal {
  /** Random; ids that were equal stay equal, across requests too, and no two renewals share one. */
  readonly salt: Uint8Array;
  /** Added to every time that is set, so that relative nanoseconds survive. */
  readonly shiftNs: bigint;
}

/** The trace ids of a request, and its last end. */
export interface Extent {
  readonly traceIds: ReadonlySet<string>;
  /** Unix nanoseconds; 0 when no span ends. */
  readonly endNs: bigint;
}

const ID = /^(traceId|spanId|parentSpanId)$/;
const TIME = /UnixNano$/;

/**
 * An OTLP/JSON request with fresh ids and times. Walks by member name: in OTLP/JSON attributes are `{key, value}` pairs,
 * so no member name comes from a producer's data.
 */
export function renew(request: OtlpObject, renewal: Renewal): OtlpObject {
  return Object.fromEntries(Object.entries(request).map(([name, value]) => [name, renewMember(name, value, renewal)]));
}

/** What a request spans. */
export function extentOf(request: OtlpObject): Extent {
  const traceIds = new Set<string>();
  let endNs = 0n;
  const visit = (name: string, value: OtlpJson): void => {
    if (name === 'traceId' && typeof value === 'string') traceIds.add(value.toLowerCase());
    else if (name === 'endTimeUnixNano' && BigInt(value as string) > endNs) endNs = BigInt(value as string);
    else if (Array.isArray(value)) for (const item of value) visit('', item);
    else if (typeof value === 'object') for (const [member, inner] of Object.entries(value)) visit(member, inner);
  };
  visit('', request);
  return { traceIds, endNs };
}

function renewMember(name: string, value: OtlpJson, renewal: Renewal): OtlpJson {
  if (ID.test(name) && typeof value === 'string') return renewId(value, renewal.salt);
  if (TIME.test(name) && (typeof value === 'string' || typeof value === 'number'))
    return renewTime(value, renewal.shiftNs);
  if (Array.isArray(value)) return value.map((item) => renewMember('', item, renewal));
  if (typeof value === 'object' && value !== null) return renew(value, renewal);
  return value;
}

/** Same length in hex; an absent id stays absent. */
function renewId(id: string, salt: Uint8Array): string {
  if (id === '' || /^0+$/.test(id)) return id;
  return createHash('sha256').update(salt).update(id.toLowerCase()).digest('hex').slice(0, id.length);
}

function renewTime(value: string | number, shiftNs: bigint): string {
  const ns = BigInt(value);
  return (ns === 0n ? ns : ns + shiftNs).toString();
}
