import type { Topic } from '@sworn/evidence';
import { ownLeaf } from '../record/ownLeaf.js';
import { hasControlOf } from '../store/control.js';
import { type Database, inTenant } from '../store/database.js';
import type { Authenticate } from './authenticate.js';
import type { KeyCredential } from './credential.js';
import { type Append, timestamp } from './keys.js';
import { createOncePerName } from './oncePerName.js';
import { Refusal } from './refusal.js';

/** What recording first uses needs. */
export interface FirstUseDeps {
  readonly db: Database;
  /** Through the recorder's sequencer. */
  readonly append: Append;
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What a key was first used for. */
type Use = 'READ' | 'INGEST';

/** Keys known to have been used, about 100 bytes each; the one known longest goes first, and is looked up again. */
const KEYS_HELD = 10_000;

/**
 * Authenticators that record in `control` when a key is used for the first time (TOKEN_FIRST_USED), before what it is used for is done. Two processes
 * that see a key at once write one record: it is known by the key.
 * @throws Refusal, from what is returned, `unavailable` when it cannot be recorded
 */
export function createFirstUses(
  deps: FirstUseDeps,
): (authenticate: Authenticate<KeyCredential>, use: Use) => Authenticate<KeyCredential> {
  const once = createOncePerName(KEYS_HELD);

  return (authenticate, use) => async (headers, source) => {
    const credential = await authenticate(headers, source);
    try {
      await once(credential.keyId, () => record(deps, credential, use));
    } catch (cause) {
      throw Object.assign(new Refusal('unavailable', 'the first use of the key could not be recorded'), { cause });
    }
    return credential;
  };
}

async function record(deps: FirstUseDeps, { tenantId, keyId, role }: KeyCredential, use: Use): Promise<void> {
  const isRecorded = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => hasControlOf(tx, tenantId, 'TOKEN_FIRST_USED', keyId),
    { readOnly: true },
  );
  if (isRecorded) return;
  await deps.append(tenantId, [
    ownLeaf({
      topic: 'control',
      origin: deps.openOriginOf(tenantId, 'control'),
      kind: 'TOKEN_FIRST_USED',
      identity: [keyId],
      occurredAt: timestamp(deps.now()),
      fields: { key_id: keyId, role, use },
      projection: { table: 'control_records', kind: 'TOKEN_FIRST_USED', subject: keyId },
    }),
  ]);
}
