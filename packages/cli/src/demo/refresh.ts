import { createHash } from 'node:crypto';
import type { OtlpJson, OtlpObject } from '@sworn/server';

/** How a recording becomes a run of its own. */
export interface Renewal {
  /** Random; ids that were equal stay equal, across requests too, and no two renewals share one. */
  readonly salt: Uint8Array;
  /** Added to every time that is set, so that relative nanoseconds survive. */
  readonly shiftNs: bigint;
}

/** The traces of a request, and its last end. */
export interface Extent {
  readonly traceIds: ReadonlySet<string>;
  /** Those of them whose root span is here: the others are sealed only after minutes of silence. */
  readonly rooted: ReadonlySet<string>;
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
  const spans = spansOf(request);
  const traceOf = (span: OtlpObject): string => String(span.traceId).toLowerCase();
  const isRoot = ({ parentSpanId }: OtlpObject): boolean => parentSpanId === undefined || parentSpanId === '';
  return {
    traceIds: new Set(spans.map(traceOf)),
    rooted: new Set(spans.filter(isRoot).map(traceOf)),
    endNs: spans.map((span) => BigInt(String(span.endTimeUnixNano ?? 0))).reduce((a, b) => (a > b ? a : b), 0n),
  };
}

function spansOf(request: OtlpObject): OtlpObject[] {
  return listOf(request.resourceSpans)
    .flatMap((resource) => listOf(resource.scopeSpans))
    .flatMap((scope) => listOf(scope.spans));
}

function listOf(value: OtlpJson | undefined): OtlpObject[] {
  return Array.isArray(value) ? (value as OtlpObject[]) : [];
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
