/** Which bytes of a file a request asks for: from `from` up to `to`. */
export type AskedRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly from: number; readonly to: number }
  /** It begins behind the end. */
  | { readonly kind: 'unsatisfiable' };

const ONE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * What `Range` asks for of a file of `size` bytes (RFC 9110 14.1.2, 14.2). One that is malformed, of another unit, or of several ranges is as if it were
 * not there, which the RFC allows: whoever sends it has to take all of it in any case.
 */
export function rangeOf(header: string | undefined, size: number): AskedRange {
  const [, first = '', last = ''] = ONE_RANGE.exec(header ?? '') ?? [];
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', from: size - length, to: size };
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return { kind: 'whole' };
  if (from >= size) return { kind: 'unsatisfiable' };
  return { kind: 'part', from, to: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Whether the range counts: `If-Range` names the file as it is (RFC 9110 13.1.5, strong comparison), or is not there. A date is never as strong. */
export function isRangeOf(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag;
}
