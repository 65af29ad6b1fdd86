import type { AccessEvent, ExportReason } from '../access/accessRecord.js';
import { Refusal } from '../access/refusal.js';

/** Why there is no bundle of what was asked for, and what would change that. */
export class ExportRefused extends Error {
  override readonly name = 'ExportRefused';
  readonly code: ExportReason;

  constructor(code: ExportReason, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** What a record says of a failure: its reason, and the HTTP status that goes with it; 409 where the run is not as an export needs it. */
export function failureOf(error: unknown): Pick<AccessEvent, 'reason' | 'status'> {
  if (error instanceof Refusal) return { reason: error.code, status: error.status };
  if (!(error instanceof ExportRefused)) return { reason: 'internal', status: 500 };
  return { reason: error.code, status: error.code === 'stopped' || error.code === 'not_kept' ? 503 : 409 };
}
