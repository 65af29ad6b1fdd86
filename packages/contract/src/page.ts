import { Type } from 'typebox';
import { OneOf } from './scalars.js';

/** Records on a page unless told otherwise, and at most. */
export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 100;
/** Items of a long answer (steps, events, points) unless told otherwise, and at most: 5,000 and `MAX_LONG_BYTES`. */
export const DEFAULT_LONG_PAGE = 1000;
export const MAX_LONG_PAGE = 5000;
export const MAX_LONG_BYTES = 8 << 20;

/** A time as filters take it: RFC 3339 UTC, up to six fractional digits, or a bare date. */
export const TIME_FILTER = '^(?!0000)\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,6})?Z)?$';
/** A text as filters take it. */
export const TEXT_FILTER = '^[^\\u0000-\\u001f\\u007f]{1,256}$';

const TimeFilter = Type.String({
  pattern: TIME_FILTER,
  description: 'RFC 3339 UTC, e.g. 2026-01-31T00:00:00Z, or a date, e.g. 2026-01-31. Half open: after ≤ t < before.',
});

/** One moment, written as filters take it. `example`: such a moment. */
export function timeFilter(what: string, example: string) {
  return Type.String({ pattern: TIME_FILTER, description: `${what}. RFC 3339 UTC, e.g. ${example}` });
}

/** A value to compare with: the same text, no pattern. `example`: such a value. */
export function textFilter(what: string, example: string) {
  return Type.String({
    pattern: TEXT_FILTER,
    description: `${what}, as recorded, 1 to 256 characters without control characters, e.g. ${example}`,
  });
}

const Cursor = Type.String({
  pattern: '^[A-Za-z0-9_-]{16,2048}$',
  description:
    'next_cursor of an answer to the same query; opaque, e.g. AbC0_-xyzAbC0_-xyz. It pins the size of every log it reads.',
});

const recorded = { recorded_after: Type.Optional(TimeFilter), recorded_before: Type.Optional(TimeFilter) };

const order = Type.Optional({
  ...OneOf(['desc', 'asc']),
  description: 'desc: newest first. asc: a tail, oldest first; its cursor stays valid past the end. E.g. asc',
});

const page = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE, description: 'Records on a page, e.g. 50' }),
  ),
  cursor: Type.Optional(Cursor),
};

/** How records of the AUDIT endpoints are written. A cursor says where a page goes on, and is good for either. */
export const formatParameter = {
  format: Type.Optional({
    ...OneOf(['ocsf']),
    description:
      'Items as events of the Open Cybersecurity Schema Framework (docs/ocsf.md). Without it in Sworn’s own format. E.g. ocsf',
  }),
};

/** Parameters of every list of records. */
export const listParameters = {
  occurred_after: Type.Optional(TimeFilter),
  occurred_before: Type.Optional(TimeFilter),
  ...recorded,
  order,
  include_total: Type.Optional(Type.Boolean({ description: 'Counts all that match, e.g. true' })),
  ...page,
};

/** Parameters of every long answer about one run. */
export const longParameters = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_LONG_PAGE,
      default: DEFAULT_LONG_PAGE,
      description: 'Items on a page, fewer when they pass 8 MiB, e.g. 1000',
    }),
  ),
  cursor: Type.Optional(Cursor),
};

/** What every page says of itself. `next_cursor` is null on the last page, except of a tail (`order=asc`), which has no last page. */
export const pageFields = {
  has_more: Type.Boolean(),
  next_cursor: Type.Unsafe<string | null>({
    type: ['string', 'null'],
    description: 'Goes on after this page; null on the last one. A tail (order=asc) has no last one.',
  }),
  filters_applied: Type.Unsafe<Record<string, string | number | boolean>>({
    type: 'object',
    additionalProperties: { type: ['string', 'number', 'boolean'] },
    description: 'Filters as understood; human ids as tokens.',
  }),
};
