import type { DecodedTraces, SourceSlice } from '../otlp/decoded.js';
import { readResource } from '../otlp/span.js';

/**
 * The spans that a key bound to `services` may send; an empty list binds to none. The others are refused one by one, as a
 * partial success: a collector in front may mix the spans of many services in one request.
 */
export function boundToServices(traces: DecodedTraces, services: readonly string[]): DecodedTraces {
  if (services.length === 0) return traces;
  const allowed = new Map<SourceSlice, boolean>();
  const spans = traces.spans.filter(({ resource }) => {
    const known = allowed.get(resource);
    if (known !== undefined) return known;
    const service = readResource(resource.bytes).attributes.text('service.name');
    const ok = service !== null && services.includes(service);
    allowed.set(resource, ok);
    return ok;
  });
  const refused = traces.spans.length - spans.length;
  if (refused === 0) return traces;
  const message = `${refused} ${refused === 1 ? 'span' : 'spans'} of a service this key is not bound to`;
  return {
    spans,
    rejected: traces.rejected + refused,
    message: traces.message === null ? message : `${traces.message}; ${message}`,
  };
}
