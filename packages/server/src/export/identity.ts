import { BUNDLE_FORMAT, canonicalize, hex, sha256, type Statement } from '@sworn/evidence';

/** Id of an export: equal for equal identities (scope, pins, disclosure, format), so who asks again gets what there is. */
export function exportIdOf({ scope, disclosure, logs }: Pick<Statement, 'scope' | 'disclosure' | 'logs'>): string {
  const identity = canonicalize({
    format: BUNDLE_FORMAT,
    scope: { ...scope },
    disclosure,
    pins: logs.map(({ log, size }) => ({ log, size })),
  });
  return `exp_${hex(sha256(identity)).slice(0, 32)}`;
}
