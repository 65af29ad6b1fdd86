import { readFileSync, writeFileSync } from 'node:fs';
import type { LeafDraft } from '../src/record/draft.js';

/** A draft, and what stands in its stead when its event key is taken: functions do not cross a process boundary. */
export interface DraftOnFile {
  readonly draft: LeafDraft;
  readonly conflict: LeafDraft | null;
}

/** Writes drafts for another process to sequence. */
export function writeDrafts(file: string, drafts: readonly DraftOnFile[]): void {
  writeFileSync(file, JSON.stringify(freeze(drafts)));
}

/** Reads what `writeDrafts` wrote. */
export function readDrafts(file: string): LeafDraft[] {
  const drafts = thaw(JSON.parse(readFileSync(file, 'utf8'))) as DraftOnFile[];
  return drafts.map(({ draft, conflict }) => ({
    ...draft,
    conflict: conflict === null ? null : () => Promise.resolve(conflict),
  }));
}

/** Bytes as `{"bytes": <base64>}`; functions go. */
function freeze(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(freeze);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => (typeof member === 'function' ? [] : [[name, freeze(member)]])),
  );
}

function thaw(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(thaw);
  if (typeof value !== 'object' || value === null) return value;
  if ('bytes' in value && Object.keys(value).length === 1) return Buffer.from(String(value.bytes), 'base64');
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, thaw(member)]));
}
