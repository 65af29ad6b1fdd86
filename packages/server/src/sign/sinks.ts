import { equalBytes, consistencyProof, verifyConsistency } from '@sworn/evidence';
import { overTiles } from '../read/tiles.js';
import type { SinkAddress } from '../sinkAddress.js';
import { inTenant } from '../store/database.js';
import { createDelivery, type DeliveryDeps, type SinkDelivery } from './delivery.js';
import { openFileSink } from './fileSink.js';
import { openPostSink } from './postSink.js';
import type { HeldAgainst } from './sink.js';

/** One delivery for each sink: they wait for nothing of one another. */
export function createSinks(deps: DeliveryDeps, addresses: readonly SinkAddress[]): SinkDelivery[] {
  const against: HeldAgainst = {
    async isOurs({ tenantId, log, origin }, held, note) {
      if (held.origin !== origin) return false;
      return deps.verifyCheckpoint(tenantId, log, { size: held.size, root: held.root, note, signedAt: '' });
    },
    async continues({ tenantId, log }, from, to) {
      if (from.size === to.size) return equalBytes(from.root, to.root);
      const path = await inTenant(deps.db, 'reader', tenantId, (tx) =>
        overTiles(tx, tenantId, { log, size: to.size }, (read) => consistencyProof(from.size, to.size, read)),
      );
      const claim = { from: from.size, to: to.size, fromRoot: from.root, toRoot: to.root };
      return path !== null && verifyConsistency({ ...claim, path });
    },
  };
  return addresses.map((address) =>
    createDelivery(deps, address.kind === 'file' ? openFileSink(address, against) : openPostSink(address, against)),
  );
}
