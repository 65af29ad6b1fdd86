import { base64, equalBytes, type TreeHead } from '@sworn/evidence';
import { proveContinuation } from './continuation.js';
import { type LogServer, Unreachable } from './logServer.js';
import type { Kept, WatchMemory } from './memory.js';
import { judgeNote, type NoteFinding, type Pin } from './pin.js';

/** What a look can find. FORK: two histories, both signed. ROLLBACK: a smaller log than before. UNPROVEN: a larger log that does not show that it continues. */
export type WatchFinding = NoteFinding | 'FORK' | 'ROLLBACK' | 'UNPROVEN';

/** What one look at a log came to. */
export type Look =
  /** As it should be. `before`: leaves of the remembered checkpoint; null at the first look, which has nothing to compare with. */
  | { readonly kind: 'good'; readonly size: number; readonly root: string; readonly before: number | null }
  | {
      readonly kind: 'finding';
      readonly finding: WatchFinding;
      readonly detail: string;
      readonly kept: Kept;
      /** Null: nothing remembered, or a note that says no size to be believed. */
      readonly sizes: { readonly remembered: number | null; readonly seen: number | null };
    }
  /** Nothing was learned of the log. */
  | { readonly kind: 'unable'; readonly detail: string };

/** Looks once: asks for the checkpoint, compares it with the remembered one, remembers what is proven. A finding leaves the memory as it is. */
export async function lookOnce(server: LogServer, pin: Pin, memory: WatchMemory): Promise<Look> {
  try {
    return await look(server, pin, memory);
  } catch (error) {
    if (error instanceof Unreachable) return { kind: 'unable', detail: error.message };
    throw error;
  }
}

async function look(server: LogServer, pin: Pin, memory: WatchMemory): Promise<Look> {
  const remembered = memory.load();
  const held = remembered?.checkpoint ?? null;
  const bytes = await server.checkpoint();
  const judged = judgeNote(bytes, pin);
  if (judged.kind === 'no note')
    return { kind: 'unable', detail: 'what was answered as the checkpoint is no signed note' };
  const seen = judged.kind === 'signed' ? judged.checkpoint : null;
  const found = (finding: WatchFinding, detail: string): Look => ({
    kind: 'finding',
    finding,
    detail,
    kept: memory.keep(finding, bytes),
    sizes: { remembered: held?.size ?? null, seen: seen?.size ?? null },
  });
  if (judged.kind === 'wrong') return found(judged.finding, judged.detail);
  const { checkpoint } = judged;
  if (remembered !== null && judged.key < remembered.key)
    return found('WRONG_KEY', 'a pinned key signed it that was rotated out before the remembered checkpoint');
  if (held !== null) {
    const wrong = await contradiction(server, held, checkpoint);
    if (wrong !== null) return found(wrong.finding, wrong.detail);
  }
  memory.save(bytes, checkpoint);
  return { kind: 'good', size: checkpoint.size, root: base64(checkpoint.root), before: held?.size ?? null };
}

interface Contradiction {
  readonly finding: WatchFinding;
  readonly detail: string;
}

/** What is wrong with `seen` after `held`; null when it follows. Both carry the pinned key's signature. */
async function contradiction(server: LogServer, held: TreeHead, seen: TreeHead): Promise<Contradiction | null> {
  if (seen.size < held.size)
    return { finding: 'ROLLBACK', detail: `${seen.size} leaves are signed now, and ${held.size} were before` };
  if (seen.size === held.size) {
    if (equalBytes(seen.root, held.root)) return null;
    const roots = `${base64(held.root)} before, ${base64(seen.root)} now`;
    return { finding: 'FORK', detail: `two checkpoints of ${seen.size} leaves with different roots: ${roots}` };
  }
  const continues = await proveContinuation(server, held, seen);
  if (continues.kind === 'proven') return null;
  if (continues.kind === 'unproven')
    return { finding: 'UNPROVEN', detail: `${held.size} leaves before, ${seen.size} now: ${continues.detail}` };
  return {
    finding: 'FORK',
    detail: `the log of ${seen.size} leaves has another history: its first ${held.size} are not those signed before`,
  };
}
