import {
  BUNDLE_FORMAT,
  type BundleScope,
  canonicalize,
  type Disclosure,
  hex,
  type JsonObject,
  sha256,
} from '@sworn/evidence';
import type { Pin } from '../read/reading.js';

/** What makes two bundles the same one, beside the format: the same bytes, but for their attestations. */
export interface Identity {
  readonly scope: BundleScope;
  readonly disclosure: Disclosure;
  /** For each log the first checkpoint that covers the scope's last record there. */
  readonly pins: readonly Pin[];
}

/** Id of an export: equal for equal identities, so who asks again asks for the same. */
export function exportIdOf({ scope, disclosure, pins }: Identity): string {
  const identity = canonicalize({
    format: BUNDLE_FORMAT,
    scope: { ...scope },
    disclosure,
    pins: pins.map(({ log, size }) => ({ log, size })),
  });
  return `exp_${hex(sha256(identity)).slice(0, 32)}`;
}

/** How records of an export say what it is of: a run by its id, as all records that are about one do; another scope as it is. */
export function recordedScope(scope: BundleScope): {
  readonly runId: string | null;
  readonly scope: JsonObject | null;
} {
  return { runId: scope.run_id, scope: null };
}
