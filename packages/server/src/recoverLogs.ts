import { EMPTY_ROOT, hex, type Topic, topicOfLog, utf8 } from '@sworn/evidence';
import { timestamp } from './access/keys.js';
import type { Deployment } from './deployment.js';
import { sealBody } from './record/body.js';
import { dayScope } from './record/dataKeys.js';
import type { LeafDraft } from './record/draft.js';
import { ownEventKey, ownLeaf } from './record/ownLeaf.js';
import { openJournal, type SignerMemory } from './sign/journal.js';
import { readRecovered, type Recovered } from './sign/recovered.js';
import { type Judgement, wrongLogs } from './sign/wrongLogs.js';
import { inTenant, outsideTenants } from './store/database.js';
import { forgetSealing, openGeneration } from './store/generation.js';
import { holdLeaseFor, lockLease } from './store/lease.js';
import { readSignableLogs, type SignableLog } from './store/signing.js';

/** Which logs to give up where they are wrong, why, and who answers for it. */
export interface RecoverRequest {
  /** Null: of all tenants, those too that are only remembered. */
  readonly tenantId: string | null;
  /** Null: of all topics. */
  readonly topic: Topic | null;
  /** For people; 1 to 1000 characters. Goes into the leaf's body. */
  readonly reason: string;
  /** Who allowed it; 1 to 256 characters. Stands in the leaf as a token. */
  readonly approver: string;
}

/** A log that was given up. Sizes are in leaves. */
export interface RecoveredLog {
  readonly tenantId: string;
  /** Stored name of the log that is closed. */
  readonly log: string;
  /** The log that goes on in its place; null when the tenant is gone from the database. */
  readonly toLog: string | null;
  readonly sizeFound: number;
  readonly sizeSigned: number;
  /** First leaf that is lost, or there and proven by nothing. */
  readonly lostFrom: number;
}

/** Longest time that judging one tenant's logs keeps the signer waiting. */
const JUDGING_MS = 60_000;

/**
 * The way on after an honest restore: closes each log that is not what the signer remembers, and opens its next generation, empty, under an
 * origin that was never signed. Recorded in `control`, the new one where it is itself given up; with that leaf the signer's finding ends.
 *
 * Killed between the two, a later call finds a generation that no leaf opened, and writes the leaf for it. Beside a running server, or without one.
 *
 * @returns what was given up; empty when nothing is wrong.
 * @throws RangeError when reason or approver is too long or empty, or when none of the logs is wrong and the signer forgot one of them.
 */
export async function recoverLogs(deployment: Deployment, request: RecoverRequest): Promise<readonly RecoveredLog[]> {
  const { reason, approver } = request;
  if (reason.trim() === '' || reason.length > 1000) throw new RangeError('a reason has 1 to 1000 characters');
  if (approver.trim() === '' || approver.length > 256) throw new RangeError('an approver has 1 to 256 characters');
  const memory = openJournal(deployment.signerDir);
  const judged: Judged[] = [];
  const isAsked = ({ topic }: { readonly topic: Topic }): boolean => request.topic === null || topic === request.topic;
  let forgotten: string | undefined;
  for (const tenantId of await tenantsOf(deployment, memory, request)) {
    const one = await judge(deployment, memory, tenantId);
    const wrong = one.wrong.filter(isAsked);
    if (wrong.length > 0) judged.push({ ...one, wrong });
    forgotten ??= one.forgotten.find(isAsked)?.origin;
  }
  if (judged.length === 0 && forgotten !== undefined)
    throw new RangeError(
      `the signer does not remember ${forgotten}: run sworn signer adopt first; nothing was recovered`,
    );
  const all: RecoveredLog[] = [];
  for (const one of judged) all.push(...(await recoverTenant(deployment, request, one)));
  return all;
}

async function tenantsOf(
  { tenants, originOf }: Deployment,
  memory: SignerMemory,
  { tenantId }: RecoverRequest,
): Promise<Iterable<string>> {
  if (tenantId !== null) return [tenantId];
  const remembered = memory.origins().flatMap((origin) => {
    const [, id = '', log = ''] = origin.split('/');
    return originOf(id, log) === origin ? [id] : [];
  });
  return new Set([...(await tenants.list()).map((row) => row.tenantId), ...remembered]);
}

interface Judged {
  readonly tenantId: string;
  /** Whose `control` records it: its own, or the platform's when the tenant is gone. */
  readonly recordedIn: string;
  readonly logs: readonly SignableLog[];
  readonly recovered: Recovered;
  readonly wrong: Judgement['wrong'];
  readonly forgotten: Judgement['forgotten'];
}

/** While nobody signs: a log that is signed between two looks would seem shorter than its memory. */
async function judge(deployment: Deployment, memory: SignerMemory, tenantId: string): Promise<Judged> {
  const { db, keyStore, originOf, signingKeysOf, platformTenant, tenants } = deployment;
  const { recorder: recorderKey, directory: directoryKey } = keyStore.deployment;
  const isThere = (await tenants.list()).some((row) => row.tenantId === tenantId);
  const recordedIn = isThere ? tenantId : platformTenant;
  return outsideTenants(db, 'signer', async (tx) => {
    await holdLeaseFor(tx, JUDGING_MS);
    await lockLease(tx, 'signer');
    const logs = await inTenant(db, 'signer', tenantId, (other) => readSignableLogs(other, tenantId));
    const recovered = await readRecovered({ db, directoryKey, originOf }, tenantId, recordedIn);
    const keys = await signingKeysOf(tenantId, 0);
    const judgement = await wrongLogs({ db, memory, recorderKey, originOf }, { tenantId, logs, recovered, keys });
    return { tenantId, recordedIn, logs, recovered, ...judgement };
  });
}

async function recoverTenant(
  deployment: Deployment,
  request: RecoverRequest,
  judged: Judged,
): Promise<readonly RecoveredLog[]> {
  const { db, recorder, openLogs, platformTenant } = deployment;
  const { tenantId, recordedIn, wrong } = judged;
  const goingOn = new Map<Topic, string>();
  if (recordedIn === tenantId) {
    const topics = [...new Set(wrong.map(({ topic }) => topic))];
    await inTenant(db, 'recorder', tenantId, async (tx) => {
      for (const topic of topics) {
        const next = nextOf(judged, topic);
        goingOn.set(topic, next.log);
        if (next.generation !== null)
          await openGeneration(tx, tenantId, topic, { ...next, generation: next.generation, emptyRoot: EMPTY_ROOT });
      }
    });
    if (topics.includes('llm-runs')) await inTenant(db, 'writer', tenantId, (tx) => forgetSealing(tx, tenantId));
    await openLogs.refresh();
  }
  const given = wrong.map(({ topic, log, sizeFound, signed, lostFrom }): GivenUp => {
    const toLog = goingOn.get(topic) ?? null;
    return { one: { tenantId, log, toLog, sizeFound, sizeSigned: signed.size, lostFrom }, root: signed.root };
  });
  const where = recordedIn === tenantId ? tenantId : platformTenant;
  await recorder.append(where, await Promise.all(given.map((log) => recoveredLeaf(deployment, where, request, log))));
  return given.map(({ one }) => one);
}

/** A log that is given up, and the root that was signed of it last. */
interface GivenUp {
  readonly one: RecoveredLog;
  readonly root: Uint8Array;
}

/** The log that goes on in a topic: one that was opened and never recorded, or a new one after all that are there or were signed. */
function nextOf(
  { logs, recovered, wrong }: Judged,
  topic: Topic,
): { readonly log: string; readonly generation: number | null } {
  const unrecorded = logs.find(
    (one) =>
      topicOfLog(one.log) === topic &&
      one.generation > 1 &&
      !one.closed &&
      !recovered.opened.has(one.log) &&
      !wrong.some(({ log }) => log === one.log),
  );
  if (unrecorded !== undefined) return { log: unrecorded.log, generation: null };
  const known = [...logs.map(({ log }) => log), ...wrong.map(({ log }) => log), ...recovered.closed]
    .filter((log) => topicOfLog(log) === topic)
    .map((log) => Number(log.split('.')[1] ?? 1));
  const generation = Math.max(1, ...known) + 1;
  return { log: `${topic}.${generation}`, generation };
}

/** LOG_RECOVERED in the open `control` of `where`. The reason is its body, the approver a token: neither is text of a leaf. */
async function recoveredLeaf(
  deployment: Deployment,
  where: string,
  { reason, approver }: RecoverRequest,
  { one, root }: GivenUp,
): Promise<LeafDraft> {
  const { keyStore, originOf, openLogs, accessRecords, dataKeysFor } = deployment;
  const origin = openLogs.originOf(where, 'control');
  const occurredAt = timestamp(Date.now());
  const identity = [one.tenantId, one.log];
  const approved = await accessRecords.enteredTokenOf(where, approver);
  const dataKeys = dataKeysFor('recorder');
  const scope = dayScope('control', approved, occurredAt.slice(0, 10));
  const key = (await dataKeys.forScopes(where, [scope])).get(scope);
  if (key === undefined) throw new Error('no data key for a scope that was asked for');
  const eventKey = ownEventKey('LOG_RECOVERED', ...identity);
  return ownLeaf({
    topic: 'control',
    origin,
    kind: 'LOG_RECOVERED',
    identity,
    occurredAt,
    sealed: { dk: key.id, ...sealBody(key, { origin, eventKey, path: 'body' }, utf8(JSON.stringify({ reason }))) },
    fields: {
      of_tenant: one.tenantId,
      of_log: one.log,
      ...(one.toLog === null ? {} : { to_log: one.toLog }),
      size_found: one.sizeFound,
      size_signed: one.sizeSigned,
      root_signed: hex(root),
      lost_from: one.lostFrom,
      lost_below: Math.max(one.lostFrom, one.sizeSigned),
      approver: approved,
    },
    vouchedBy: keyStore.deployment.directory,
    projection: { table: 'control_records', kind: 'LOG_RECOVERED', subject: originOf(one.tenantId, one.log) },
  });
}
