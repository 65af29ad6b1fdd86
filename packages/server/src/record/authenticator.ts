import { hmacSha256, utf8 } from '@sworn/evidence';

/** What a batch authenticator says of one batch of one log (INTEGRITY.md, "Batch authenticator"). */
export interface Batch {
  /** Origin of the log. */
  readonly origin: string;
  readonly first: number;
  readonly count: number;
  readonly rootBefore: Uint8Array;
  readonly rootAfter: Uint8Array;
  /** `recorded_at` of the batch. */
  readonly at: string;
}

/**
 * HMAC-SHA256 under the recorder key, which lives outside the database: a superuser can insert rows, but not their authenticator.
 * Fields are separated by NUL, which none of them can hold; roots have a fixed length.
 */
export function authenticate(recorderKey: Uint8Array, batch: Batch): Uint8Array {
  const head = utf8(`sworn.batch/1\0${batch.origin}\0${batch.first}\0${batch.count}\0${batch.at}\0`);
  return hmacSha256(recorderKey, head, batch.rootBefore, batch.rootAfter);
}
