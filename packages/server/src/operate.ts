import { randomUUID } from 'node:crypto';
import { hex, TOPICS, vkeyOf } from '@sworn/evidence';
import { timestamp } from './access/keys.js';
import type { Deployment } from './deployment.js';
import { ownLeaf } from './record/ownLeaf.js';
import { vouchedMembers } from './record/vouched.js';
import { type Advance, openJournal, type SignerMemory } from './sign/journal.js';
import { goesOnFrom } from './sign/nextStep.js';
import { ed25519Key, signedCheckpoint } from './sign/ourCheckpoint.js';
import { readRecovered } from './sign/recovered.js';
import { keyAt, rangeOf } from './sign/signingKeys.js';
import { readControlSize, readNewestControl } from './store/control.js';
import { inTenant, outsideTenants } from './store/database.js';
import { lockLease } from './store/lease.js';
import { readSignableLogs } from './store/signing.js';

/** A log and a key of its checkpoints. */
export interface LogKey {
  readonly origin: string;
  /** Sizes that the key is valid for, both included; `lastSize` null: it signs on. */
  readonly fromSize: number;
  readonly lastSize: number | null;
  /** C2SP vkey line: `<origin>+<key id>+<base64>`. */
  readonly vkey: string;
  /** SubjectPublicKeyInfo as PEM, for `openssl`. */
  readonly pem: string;
}

/** The keys of each log of the tenant: logs in the order of the topics, the keys of one oldest first. A key that signed nothing of a log is left out. */
export async function logKeys(
  { db, signingKeysOf, originOf }: Deployment,
  tenantId: string,
): Promise<readonly LogKey[]> {
  const keys = await signingKeysOf(tenantId, 0);
  const logs = await inTenant(db, 'signer', tenantId, (tx) => readSignableLogs(tx, tenantId));
  const rank = (log: string): number => TOPICS.findIndex((topic) => topic === log.split('.')[0]);
  return logs
    .map((l) => l.log)
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .flatMap((log) =>
      keys.flatMap((key) => {
        const range = rangeOf(key, log);
        const origin = originOf(tenantId, log);
        const pem = ed25519Key(key.publicKey).export({ format: 'pem', type: 'spki' }).toString();
        return range === null
          ? []
          : [{ origin, vkey: vkeyOf(origin, key.publicKey), pem, fromSize: range.from, lastSize: range.last }];
      }),
    );
}

/**
 * A URL of the embedded database: read-only, as the role of the checks, or the superuser's. Either reads every tenant, so it is recorded in the
 * platform's `control` first. Null when the database is not embedded.
 */
export async function databaseUrl(deployment: Deployment, superuser: boolean): Promise<string | null> {
  const { embedded } = deployment;
  if (embedded === null) return null;
  const kind = superuser ? 'SUPERUSER_URL' : 'DATABASE_URL';
  await deployment.recorder.append(deployment.platformTenant, [
    ownLeaf({
      topic: 'control',
      origin: deployment.openLogs.originOf(deployment.platformTenant, 'control'),
      kind,
      identity: [randomUUID()],
      occurredAt: timestamp(Date.now()),
      fields: superuser ? {} : { role: 'checker' },
      projection: { table: 'control_records', kind, subject: null },
    }),
  ]);
  const { user, password } = superuser ? embedded.superuser : embedded.owner;
  const { host, port, database } = embedded.address;
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  const schema = encodeURIComponent('-csearch_path=sworn');
  return `postgres://${login}@/${database}?host=${encodeURIComponent(host)}&port=${port}&options=${schema}`;
}

/**
 * After the signer's memory was lost: takes the newest stored checkpoint of every log that the memory does not reach as what was signed last.
 * Recorded in each tenant's `control`. The person who runs it vouches that it is the right one. Beside a running server: it then signs on.
 *
 * @throws RangeError when the newest checkpoint of any log does not carry our signature, or its log does not go on from what is remembered of
 * it: nothing is adopted.
 */
export async function adoptSigner(
  deployment: Deployment,
): Promise<readonly { readonly origin: string; readonly size: number }[]> {
  const memory = openJournal(deployment.signerDir);
  const adopted: { origin: string; size: number }[] = [];
  for (const [tenantId, steps] of await adoptable(deployment, memory)) {
    await deployment.recorder.append(
      tenantId,
      steps.map(({ origin, log, to }) =>
        ownLeaf({
          topic: 'control',
          origin: deployment.openLogs.originOf(tenantId, 'control'),
          kind: 'SIGNER_ADOPTED',
          identity: [origin, String(to.size), randomUUID()],
          occurredAt: timestamp(Date.now()),
          fields: { of_log: log, size: to.size, root: hex(to.root) },
          projection: { table: 'control_records', kind: 'SIGNER_ADOPTED', subject: origin },
        }),
      ),
    );
    // The lease is what a running signer holds while it writes its memory; locked, it is ours until the commit.
    await outsideTenants(deployment.db, 'signer', async (tx) => {
      await lockLease(tx, 'signer');
      memory.advance(steps);
    });
    adopted.push(...steps.map(({ origin, to }) => ({ origin, size: to.size })));
  }
  if (adopted.length > 0) await deployment.life.tell([{ name: 'sworn.signer.adopted', identity: [randomUUID()] }]);
  return adopted;
}

type Adoption = Advance & { readonly log: string };

async function adoptable(
  { tenants, db, originOf, signingKeysOf, keyStore }: Deployment,
  memory: SignerMemory,
): Promise<Map<string, readonly Adoption[]>> {
  const directoryKey = keyStore.deployment.directory;
  const all = new Map<string, readonly Adoption[]>();
  for (const { tenantId } of await tenants.list()) {
    const steps: Adoption[] = [];
    const keys = await signingKeysOf(tenantId, 0);
    const { closed: given } = await readRecovered({ db, directoryKey, originOf }, tenantId, tenantId);
    for (const { log, checkpointSize, checkpointNote } of await inTenant(db, 'signer', tenantId, (tx) =>
      readSignableLogs(tx, tenantId),
    )) {
      const origin = originOf(tenantId, log);
      const from = memory.load(origin);
      if (given.has(log)) continue;
      if (checkpointSize === null || checkpointNote === null || (from?.size ?? 0) >= checkpointSize) continue;
      const publicKey = keyAt(keys, log, checkpointSize);
      const to = publicKey === null ? null : signedCheckpoint(checkpointNote, origin, publicKey);
      if (to?.size !== checkpointSize)
        throw new RangeError(`the newest checkpoint of ${origin} does not carry our signature: nothing was adopted`);
      if (from !== null && !(await goesOnFrom({ db }, { tenantId, log, signed: from })))
        throw new RangeError(
          `${origin} does not go on from what the signer remembers: it is another history, see sworn log recover; nothing was adopted`,
        );
      steps.push({ origin, log, from, to });
    }
    if (steps.length > 0) all.set(tenantId, steps);
  }
  return all;
}

/** Accepts the database's clock after a jump, recorded in the platform's `control`; a running server goes on within a second. */
export async function acceptClock({
  db,
  keyStore,
  openLogs,
  platformTenant,
  recorder,
  life,
}: Deployment): Promise<void> {
  const at = timestamp(Date.now());
  const size = await inTenant(db, 'reader', platformTenant, (tx) => readControlSize(tx, platformTenant));
  await recorder.append(platformTenant, [
    ownLeaf({
      topic: 'control',
      origin: openLogs.originOf(platformTenant, 'control'),
      kind: 'CLOCK_ACCEPTED',
      identity: [randomUUID()],
      occurredAt: at,
      // The size says which jump was accepted: an older acceptance, moved to the end of the log, names a smaller one.
      fields: { clock: at, size },
      vouchedBy: keyStore.deployment.directory,
      projection: { table: 'control_records', kind: 'CLOCK_ACCEPTED', subject: null },
    }),
  ]);
  await life.tell([{ name: 'sworn.clock.accepted', identity: [randomUUID()] }]);
}

/**
 * Index of the newest CLOCK_ACCEPTED leaf that Sworn wrote when the platform's `control` had `size` leaves or more; null when there is none.
 * A projection row alone accepts nothing.
 */
export async function findAcceptedClock(
  { db, keyStore, originOf, platformTenant: id }: Pick<Deployment, 'db' | 'keyStore' | 'originOf' | 'platformTenant'>,
  size: number,
): Promise<number | null> {
  const newest = await inTenant(db, 'reader', id, (tx) => readNewestControl(tx, id, 'CLOCK_ACCEPTED'));
  if (newest === null) return null;
  const claim = { ...newest, origin: originOf(id, newest.log), kind: 'CLOCK_ACCEPTED', eventKey: null };
  const said = vouchedMembers(keyStore.deployment.directory, claim)?.size;
  return typeof said === 'number' && said >= size ? newest.index : null;
}
