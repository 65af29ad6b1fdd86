import { createClockGuard } from '../src/record/clockGuard.js';
import { ownLeaf } from '../src/record/ownLeaf.js';
import { createSequencer } from '../src/record/sequencer.js';
import type { House } from './facadeHouse.js';

/** Writes a RETENTION leaf as Sworn does: the first `below` leaves of a log may go, once a checkpoint covers it. */
export async function permitRetention(
  house: House,
  tenantId: string,
  { of, below }: { readonly of: string; readonly below: number },
): Promise<void> {
  const recorder = createSequencer({
    db: house.database.db,
    recorderKey: house.keyStore.deployment.recorder,
    originOf: house.read.originOf,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
    role: 'recorder',
  });
  const draft = ownLeaf({
    topic: 'control',
    origin: house.read.originOf(tenantId, 'control'),
    kind: 'RETENTION',
    identity: [of, String(below)],
    occurredAt: new Date().toISOString().replace('Z', '000Z'),
    fields: { of, below },
    vouchedBy: house.keyStore.deployment.directory,
    projection: { table: 'control_records', kind: 'RETENTION', subject: of },
  });
  await recorder.append(tenantId, [draft]);
  await recorder.close();
}
