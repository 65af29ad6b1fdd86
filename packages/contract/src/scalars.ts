import { Type } from 'typebox';

/**
 * Single values as they stand in answers. Nullable scalars are written as a type list (`["string","null"]`) and not as `anyOf`,
 * so that the serialiser needs no trial and error.
 */

/** RFC 3339 UTC with exactly six fractional digits: a time as answers show it. */
export const Timestamp = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z$',
  examples: ['2026-01-31T08:15:30.123456Z'],
});

/** A `Timestamp`, or null where nothing was recorded. */
export const NullableTimestamp = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z$',
});

export const NullableString = Type.Unsafe<string | null>({ type: ['string', 'null'] });
export const NullableInteger = Type.Unsafe<number | null>({ type: ['integer', 'null'] });
export const NullableBoolean = Type.Unsafe<boolean | null>({ type: ['boolean', 'null'] });

/** US dollars as a decimal string, exact to the nano-dollar; null when unknown, never 0 for unknown. */
export const Money = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  pattern: '^\\d+\\.\\d{9}$',
  examples: ['0.000340000'],
});

/** `sha256:` and 64 hex digits. */
export const Checksum = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' });

/** `hmac-sha256:` and 64 hex digits, keyed per tenant; null when the content was not sent, or is gone. */
export const ContentHash = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  pattern: '^hmac-sha256:[0-9a-f]{64}$',
});

/** UUID in lower case. Record ids are UUIDv8: topic, generation and leaf index. */
export const Uuid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' });

/** One of a closed list of words. */
export function OneOf<const T extends readonly string[]>(values: T) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });
}

/** One of a closed list of words, or null. */
export function NullableOneOf<const T extends readonly string[]>(values: T) {
  return Type.Unsafe<T[number] | null>({ type: ['string', 'null'], enum: [...values, null] });
}
