import { base64, equalBytes, hex, type JsonValue } from '@sworn/evidence';
import { timestamp } from './access/keys.js';
import type { Deployment } from './deployment.js';
import type { LeafDraft } from './record/draft.js';
import { ownLeaf } from './record/ownLeaf.js';
import type { HeldSigningKey } from './record/signingKeyFiles.js';
import { openJournal, type SignerMemory } from './sign/journal.js';
import { signedCheckpoint } from './sign/ourCheckpoint.js';
import { handOverText, keyAt, type SigningKey, type SizeByLog } from './sign/signingKeys.js';
import { inTenant, outsideTenants } from './store/database.js';
import { holdLeaseFor, lockLease } from './store/lease.js';
import { readSignableLogs, type SignableLog } from './store/signing.js';

/** What a rotation did. */
export interface Rotated {
  /** The new key, raw Ed25519, hex. */
  readonly publicKey: string;
  /** The key before it, whose private half is destroyed. */
  readonly retired: string;
  /** Tenants whose `control` says so. */
  readonly tenants: number;
}

/** Longest time that one tenant's hand-over keeps the signer waiting. */
const HAND_OVER_MS = 60_000;

/**
 * Gives the deployment a new signing key, beside a running server or without one.
 *
 * Which key signs a tenant's logs is said by its `control`, in one batch with the retirement of the one before; so each tenant changes over by
 * one commit, and the signer, which holds both private halves until the end, follows. In what order, and what a kill leaves:
 *
 * 1. The next key is made beside the current one. Killed after it: new tenants begin with the next key, all others go on with theirs.
 * 2. Tenant by tenant, the leaves. Killed among them: some tenants are signed with one key, the others with the other.
 * 3. The next key takes the place of the current one, which is destroyed. Killed before that: both stay.
 *
 * Each of these is a deployment that starts, signs and verifies. The next call finds the next key where it was, and goes on with it.
 *
 * @throws RangeError when what is stored of a log is not what the signer remembers, or is not signed by us: until that is mended, nobody
 * can say where the old key ended. Tenants before it have changed over, which is no harm.
 */
export async function rotateSigner(deployment: Deployment): Promise<Rotated> {
  const memory = openJournal(deployment.signerDir);
  const { signing } = deployment.keyStore;
  const keys = await signing.beginRotation();
  const done = new Set<string>();
  // Until a look finds no other: tenants are made meanwhile.
  const handOverAll = async (): Promise<void> => {
    for (;;) {
      const left = (await deployment.tenants.list()).filter(({ tenantId }) => !done.has(tenantId));
      if (left.length === 0) break;
      for (const { tenantId } of left) {
        await handOver(deployment, memory, { tenantId, ...keys });
        done.add(tenantId);
      }
    }
  };
  await handOverAll();
  await signing.endRotation();
  // One whose making read the keys before there was a next one, and came to its leaves after the last look: the old key is still in hand.
  await handOverAll();
  await deployment.life.tell([{ name: 'sworn.signer.rotated', identity: [hex(keys.incoming.publicKey)] }]);
  return { publicKey: hex(keys.incoming.publicKey), retired: hex(keys.outgoing.publicKey), tenants: done.size };
}

interface HandOver {
  readonly tenantId: string;
  readonly outgoing: HeldSigningKey;
  readonly incoming: HeldSigningKey;
}

/** One tenant changes over, while nobody signs: a signer locks its lease before it asks which key is the one. */
async function handOver(deployment: Deployment, memory: SignerMemory, of: HandOver): Promise<void> {
  const { db, recorder, signingKeysOf } = deployment;
  const { tenantId, outgoing, incoming } = of;
  await outsideTenants(db, 'signer', async (tx) => {
    await holdLeaseFor(tx, HAND_OVER_MS);
    await lockLease(tx, 'signer');
    const keys = await signingKeysOf(tenantId, 0);
    const current = keys.at(-1)?.publicKey;
    if (current !== undefined && equalBytes(current, incoming.publicKey)) return;
    const logs = await inTenant(db, 'signer', tenantId, (other) => readSignableLogs(other, tenantId));
    // Its making was cut short: no log has a leaf, and no key signs any.
    if (current === undefined && logs.every(({ nextIndex }) => nextIndex === 0)) return;
    if (current === undefined || !equalBytes(current, outgoing.publicKey))
      throw new RangeError(`the logs of tenant ${tenantId} are signed with a key that is not in the key directory`);
    const last = Object.fromEntries(
      logs.map((log) => [log.log, lastSize(deployment, { memory, keys, tenantId }, log)]),
    );
    await recorder.append(tenantId, leavesOf(deployment, of, last));
  });
}

interface Known {
  readonly tenantId: string;
  readonly memory: SignerMemory;
  readonly keys: readonly SigningKey[];
}

/** The size up to which a log is signed: as stored, as signed, and as remembered, which must be one. */
function lastSize({ originOf }: Deployment, { tenantId, memory, keys }: Known, log: SignableLog): number {
  const origin = originOf(tenantId, log.log);
  const stored = log.checkpointSize ?? 0;
  const remembered = memory.load(origin)?.size ?? 0;
  const publicKey = keyAt(keys, log.log, stored);
  const isOurs =
    stored === 0 ||
    (publicKey !== null && signedCheckpoint(log.checkpointNote ?? '', origin, publicKey)?.size === stored);
  if (!isOurs)
    throw new RangeError(`the newest checkpoint of ${origin} does not carry our signature: the key was not rotated`);
  if (remembered < stored)
    throw new RangeError(
      `the signer does not remember the newest checkpoint of ${origin}: run sworn signer adopt first`,
    );
  // What was recovered is signed no more; its old key keeps what it signed, which others may hold.
  if (remembered > stored && !log.closed)
    throw new RangeError(
      `the signer remembers more of ${origin} than the database holds: start the server so that it signs, or run sworn log recover, then rotate again`,
    );
  return Math.max(remembered, stored);
}

function leavesOf(
  { keyStore, openLogs }: Deployment,
  { tenantId, outgoing, incoming }: HandOver,
  last: SizeByLog,
): LeafDraft[] {
  const origin = openLogs.originOf(tenantId, 'control');
  const from = Object.fromEntries(Object.entries(last).map(([log, size]) => [log, size + 1]));
  const [before, after] = [hex(outgoing.publicKey), hex(incoming.publicKey)];
  const leaf = (kind: string, subject: string, fields: Readonly<Record<string, JsonValue>>) =>
    ownLeaf({
      topic: 'control',
      origin,
      kind,
      identity: [subject],
      occurredAt: timestamp(Date.now()),
      fields: { public_key: subject, algorithm: 'ed25519', ...fields },
      vouchedBy: keyStore.deployment.directory,
      projection: { table: 'control_records', kind, subject },
    });
  const signature = base64(outgoing.sign(handOverText({ origin, publicKey: incoming.publicKey, from })));
  return [
    leaf('SIGNING_KEY_ADDED', after, { from, previous: before, signature }),
    leaf('SIGNING_KEY_RETIRED', before, { last }),
  ];
}
