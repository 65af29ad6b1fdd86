import { type AccessEvent, type AccessRecordDeps, accessLeaf } from './accessRecord.js';
import type { Append } from './keys.js';
import { Refusal } from './refusal.js';

/** Makes a read durable in the `access` log. Resolves before the answer may leave. @throws Refusal `unavailable` when it cannot be written. */
export type RecordAccess = (event: AccessEvent) => Promise<void>;

/** What the access recorder needs. */
export interface AccessRecorderDeps extends AccessRecordDeps {
  /** Through the recorder's own sequencer: no ingest path reaches `access`, and no flood of ingest stands before it. */
  readonly append: Append;
}

/** Folded records remembered, so that a flood of one kind costs no write at all; beyond it they are still folded, by the log itself. */
const FOLDS_HELD = 4_096;

/** Records reads. Folded events that share a `fold` are written once; what was written is remembered after it is durable, not before. */
export function createAccessRecorder(deps: AccessRecorderDeps): RecordAccess {
  const written = new Set<string>();
  return async (event) => {
    const name = event.fold === null ? null : `${event.tenantId}\0${event.kind}\0${event.fold.join('\0')}`;
    if (name !== null && written.has(name)) return;
    try {
      await deps.append(event.tenantId, [await accessLeaf(deps, event)]);
    } catch (cause) {
      throw Object.assign(new Refusal('unavailable', 'the read could not be recorded, so it is not answered'), {
        cause,
      });
    }
    if (name === null) return;
    if (written.size >= FOLDS_HELD) {
      const oldest = written.values().next();
      if (!oldest.done) written.delete(oldest.value);
    }
    written.add(name);
  };
}
