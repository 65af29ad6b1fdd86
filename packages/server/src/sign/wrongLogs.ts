import { EMPTY_ROOT, equalBytes, type Topic, topicOfLog } from '@sworn/evidence';
import type { SignableLog } from '../store/signing.js';
import type { Signed, SignerMemory } from './journal.js';
import { type NextStepDeps, nextStep } from './nextStep.js';
import { signedCheckpoint } from './ourCheckpoint.js';
import type { Recovered } from './recovered.js';
import { keyAt, type SigningKey } from './signingKeys.js';

/** A log that is not what was signed of it, and that no LOG_RECOVERED leaf gave up yet. */
export interface WrongLog {
  readonly topic: Topic;
  readonly log: string;
  /** Leaves that the database has; 0 when the log is not there. */
  readonly sizeFound: number;
  /** What was signed of it last. */
  readonly signed: Signed;
  /** Up to here a stored checkpoint of ours covers it. What lies beyond, below `signed.size`, is lost, or is there and proven by nothing. */
  readonly lostFrom: number;
}

/** What judging a tenant's logs needs to know of it. */
export interface TenantLogs {
  readonly tenantId: string;
  /** All there are. */
  readonly logs: readonly SignableLog[];
  readonly recovered: Recovered;
  readonly keys: readonly SigningKey[];
}

/** Which logs of a tenant are wrong, and of which nobody can say it, since the signer's memory of them is lost (origins). */
export interface Judgement {
  readonly wrong: readonly WrongLog[];
  readonly forgotten: readonly { readonly topic: Topic; readonly origin: string }[];
}

/** Finds logs that are shorter or other than signed, grown by what is not ours, gone, or closed by nobody. The caller keeps the signer from signing meanwhile. */
export async function wrongLogs(
  deps: NextStepDeps & { readonly memory: SignerMemory },
  of: TenantLogs,
): Promise<Judgement> {
  const { tenantId, logs, recovered, keys } = of;
  const wrong: WrongLog[] = [];
  const forgotten: { topic: Topic; origin: string }[] = [];
  const before = deps.originOf(tenantId, '');
  for (const origin of deps.memory.origins()) {
    const log = origin.slice(before.length);
    const signed = deps.memory.load(origin);
    const topic = topicOfLog(log);
    if (!origin.startsWith(before) || topic === null || signed === null || recovered.closed.has(log)) continue;
    if (!logs.some((one) => one.log === log)) wrong.push({ topic, log, sizeFound: 0, signed, lostFrom: 0 });
  }
  for (const log of logs) {
    const topic = topicOfLog(log.log);
    // Rows of a name that no log has are for the checks to tell.
    if (topic === null || recovered.closed.has(log.log)) continue;
    const next = await nextStep(deps, tenantId, log);
    const finding = next.kind === 'refused' ? next.finding.finding : null;
    const origin = deps.originOf(tenantId, log.log);
    if (finding === 'SIGNER_MEMORY_LOST') {
      forgotten.push({ topic, origin });
      continue;
    }
    if (finding === null && !log.closed) continue;
    const signed = deps.memory.load(origin) ?? { size: 0, root: EMPTY_ROOT };
    const lostFrom = coveredSize(origin, { log, signed, keys });
    wrong.push({ topic, log: log.log, sizeFound: log.nextIndex, signed, lostFrom });
  }
  return { wrong, forgotten };
}

/** Size of the newest stored checkpoint, if it is ours and may be of the history that was signed; else 0. */
function coveredSize(
  origin: string,
  { log, signed, keys }: { readonly log: SignableLog; readonly signed: Signed; readonly keys: readonly SigningKey[] },
): number {
  const size = log.checkpointSize ?? 0;
  const publicKey = keyAt(keys, log.log, size);
  const said = publicKey === null ? null : signedCheckpoint(log.checkpointNote ?? '', origin, publicKey);
  if (said?.size !== size || size > signed.size || size > log.nextIndex) return 0;
  return size < signed.size || equalBytes(said.root, signed.root) ? size : 0;
}
