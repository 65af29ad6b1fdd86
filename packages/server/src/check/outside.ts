import { EMPTY_ROOT, equalBytes, frontierRoot, hex, rangeProof } from '@sworn/evidence';
import { overTiles } from '../read/tiles.js';
import { type LogPlace, readSize } from '../store/checking.js';
import type { Tx } from '../store/database.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';

/**
 * Check V2 with the checkpoints that sinks hold: the log is no shorter than any of them, and begins with what it says. Who can write into a sink could
 * otherwise accuse us, so one counts only with our own signature.
 */
export async function checkSinks(checking: Checking, place: LogPlace, tell: Tell): Promise<void> {
  const { tenantId, log } = place;
  const held = await checking.sinks.newest(checking.originOf(tenantId, log));
  // Read after them: the log grows meanwhile, and they follow it.
  const leaves = held.length === 0 ? 0 : await checking.ask((tx) => readSize(tx, place));
  for (const { source, note, size, root } of held) {
    if (!(await checking.verifyCheckpoint(tenantId, log, { note, size, root, signedAt: '' }))) continue;
    const says = `says a checkpoint that the sink ${source} holds`;
    if (leaves < size) {
      const expected = `at least ${size} leaves, ${says}`;
      tell({
        ...place,
        code: 'LOG_SHORTER_THAN_SIGNED',
        index: leaves,
        table: 'leaf',
        expected,
        found: `${leaves}`,
      });
      continue;
    }
    const begins = await checking.ask((tx) => rootAt(tx, place, size));
    // Where leaves or tiles are gone, other checks say so.
    if (begins === null || equalBytes(begins, root)) continue;
    const expected = `root ${hex(root)} at size ${size}, ${says}`;
    tell({
      ...place,
      code: 'LOG_DIFFERS_FROM_SIGNED',
      index: size,
      table: 'leaf',
      expected,
      found: `root ${hex(begins)}`,
    });
  }
}

/** Root of the first `size` leaves by stored tiles and leaf hashes; null where some are gone. */
async function rootAt(tx: Tx, { tenantId, log }: LogPlace, size: number): Promise<Uint8Array | null> {
  if (size === 0) return EMPTY_ROOT;
  // Before the leaf behind them stands their frontier, and behind it nothing.
  const range = { begin: size, end: size + 1, size: size + 1 };
  return overTiles(tx, tenantId, { log, size }, (read) => frontierRoot({ size, hashes: rangeProof(range, read) }));
}
