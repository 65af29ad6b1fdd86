import { FACADE_PREFIX, PATH_ID } from './endpoints.js';

/**
 * A short way from what an alert holds to the answer about it, as data: routes, tests and OpenAPI come from it. It answers anyone, since it says
 * only how an id is written in a URL, never whether there is such a thing.
 */
export interface DeepLink {
  readonly path: string;
  /** Name of its only path parameter. */
  readonly param: string;
  readonly summary: string;
  /** What the parameter may be, in words. */
  readonly takes: string;
  readonly example: string;
  /** Path and query of the answer for an id as it was pasted, already decoded; null when it is no such id. Always under the facade's prefix. */
  readonly target: (pasted: string) => string | null;
}

const HEX_TRACE = /^[0-9a-f]{32}$/;
/** Ways in which tools write a trace id, with its digits in the groups: W3C traceparent (its version `ff` is invalid), UUID, AWS X-Ray. */
const TRACE_FORMS = [
  /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/,
  /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/,
  /^(?:root=)?1-([0-9a-f]{8})-([0-9a-f]{24})$/,
];
const NO_TRACE = '0'.repeat(32);
/** As the list takes it; a lone surrogate has no place in a URL. */
const CONVERSATION = /^[^\p{Cs}\u0000-\u001f\u007f]{1,256}$/u;

/** The deep links: by trace, conversation and run. */
export const DEEP_LINKS: readonly DeepLink[] = [
  {
    path: '/t/{trace_id}',
    param: 'trace_id',
    summary: 'To the runs of a trace.',
    takes:
      'a trace id of 32 hex digits in either case, with or without the dashes of a UUID, a whole traceparent, or an AWS X-Ray trace id',
    example: '4bf92f3577b34da6a3ce929d0e0e4736',
    target(pasted) {
      const traceId = traceIdIn(pasted);
      return traceId === null ? null : `${FACADE_PREFIX}/llm-runs?trace_id=${traceId}`;
    },
  },
  {
    path: '/c/{conversation_id}',
    param: 'conversation_id',
    summary: 'To the runs of a conversation or session.',
    takes: 'a conversation id, percent-encoded: 1 to 256 characters without control characters',
    example: 'chat-42',
    target: (pasted) =>
      CONVERSATION.test(pasted) ? `${FACADE_PREFIX}/llm-runs?conversation_id=${encodeURIComponent(pasted)}` : null,
  },
  {
    path: '/r/{run_id}',
    param: 'run_id',
    summary: 'To the canonical record of a run.',
    takes: 'a run id as answers show it: 1 to 256 of A-Z, a-z, 0-9 and . _ : @ -',
    example: '4bf92f3577b34da6a3ce929d0e0e4736',
    target: (pasted) =>
      // A segment of dots alone is a way up to whoever resolves the Location, encoded or not.
      PATH_ID.test(pasted) && !/^\.{1,2}$/.test(pasted)
        ? `${FACADE_PREFIX}/llm-runs/${encodeURIComponent(pasted)}/envelope`
        : null,
  },
];

/** The trace id in what was pasted, as answers write it; null when there is none. */
function traceIdIn(pasted: string): string | null {
  const text = pasted.trim().toLowerCase();
  const digits = HEX_TRACE.test(text)
    ? text
    : TRACE_FORMS.map((form) => form.exec(text)?.slice(1).join('')).find((found) => found !== undefined);
  return digits === undefined || digits === NO_TRACE ? null : digits;
}
