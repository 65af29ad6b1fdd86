import { checkpointBody, EMPTY_ROOT, equalBytes } from '@sworn/evidence';
import { authenticate } from '../record/authenticator.js';
import { type Database, inTenant } from '../store/database.js';
import { readBatches, type SignableLog } from '../store/signing.js';
import type { SignerFinding, SignerFindingKind } from './finding.js';
import type { Advance, Signed, SignerMemory } from './journal.js';

/** Batches read at once while following the chain. */
const BATCHES_A_READ = 1000;

/** What following a log to its head needs. */
export interface NextStepDeps {
  readonly db: Database;
  readonly memory: Pick<SignerMemory, 'load'>;
  readonly recorderKey: Uint8Array;
  readonly originOf: (tenantId: string, log: string) => string;
}

/** What may be signed next of a log: a step to its head, nothing because it did not grow, or nothing because of a finding. */
export type NextStep =
  | { readonly kind: 'step'; readonly step: Advance }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly finding: SignerFinding };

/** Holds a log against what was signed of it, and follows its authenticators from there to its head. */
export async function nextStep(deps: NextStepDeps, tenantId: string, log: SignableLog): Promise<NextStep> {
  const origin = deps.originOf(tenantId, log.log);
  const refused = (finding: SignerFindingKind, index: number, expected: string, found: string): NextStep => ({
    kind: 'refused',
    finding: { finding, tenantId, log: log.log, index, expected, found },
  });
  const differs = (found: string) => refused('LOG_DIFFERS_FROM_SIGNED', size, 'what was signed', found);
  const from = deps.memory.load(origin);
  const size = from?.size ?? 0;
  const stored = log.checkpointSize ?? 0;
  if (size < stored && from !== null && !(await goesOnFrom(deps, { tenantId, log: log.log, signed: from })))
    return differs('another history at the same size');
  if (size < stored)
    return refused(
      'SIGNER_MEMORY_LOST',
      size,
      `memory of size ${stored}`,
      from === null ? 'no memory' : `memory of size ${size}`,
    );
  if (log.nextIndex < size)
    return refused('LOG_SHORTER_THAN_SIGNED', log.nextIndex, `at least ${size} leaves`, `${log.nextIndex} leaves`);
  const isStored = stored === size;
  if (from !== null && isStored && !log.checkpointNote?.startsWith(`${checkpointBody({ origin, ...from })}\n`))
    return differs('another checkpoint of the same size');
  const start = from ?? { size: 0, root: EMPTY_ROOT };
  if (log.nextIndex === size) {
    // An older copy of the log that has grown to the same size again, or a head that somebody wrote.
    if (!equalBytes(log.root, start.root)) return differs('another root at the same size');
    return from === null || isStored ? { kind: 'nothing' } : { kind: 'step', step: { origin, from, to: from } };
  }
  const followed = await followChain(deps, { tenantId, log, origin, start });
  return followed.kind === 'reached'
    ? { kind: 'step', step: { origin, from, to: followed.to } }
    : refused('UNAUTHENTICATED_APPEND', followed.at, `an authenticated batch from ${followed.at}`, followed.found);
}

/**
 * Whether a log that is longer than what was signed of it goes on from there. What is signed is where a batch ended, so the next one begins
 * with that root; on another history it does not, however far that was signed by whoever has a copy of the keys.
 */
export async function goesOnFrom(
  { db }: Pick<NextStepDeps, 'db'>,
  { tenantId, log, signed }: { readonly tenantId: string; readonly log: string; readonly signed: Signed },
): Promise<boolean> {
  const { size, root } = signed;
  const [next] = await inTenant(db, 'signer', tenantId, (tx) =>
    readBatches(tx, tenantId, log, { from: size, below: size + 1, limit: 1 }),
  );
  return next !== undefined && equalBytes(next.rootBefore, root);
}

interface Chain {
  readonly tenantId: string;
  readonly log: SignableLog;
  readonly origin: string;
  readonly start: Signed;
}

type Followed =
  | { readonly kind: 'reached'; readonly to: Signed }
  | { readonly kind: 'broken'; readonly at: number; readonly found: string };

/** Walks the authenticators from `start` to the head; a gap, a wrong root or a wrong MAC ends it. */
async function followChain(deps: NextStepDeps, { tenantId, log, origin, start }: Chain): Promise<Followed> {
  let at = start;
  const broken = (found: string): Followed => ({ kind: 'broken', at: at.size, found });
  while (at.size < log.nextIndex) {
    const batches = await inTenant(deps.db, 'signer', tenantId, (tx) =>
      readBatches(tx, tenantId, log.log, { from: at.size, below: log.nextIndex, limit: BATCHES_A_READ }),
    );
    if (batches.length === 0) return broken('no authenticator');
    for (const batch of batches) {
      const { first, count, rootBefore, rootAfter } = batch;
      const isOurs = equalBytes(batch.mac, authenticate(deps.recorderKey, { origin, ...batch }));
      if (!isOurs || first !== at.size || first + count > log.nextIndex)
        return broken(`a batch from ${first} of ${count} that is not ours`);
      if (!equalBytes(rootBefore, at.root)) return broken('a batch of ours on another history');
      at = { size: first + count, root: rootAfter };
    }
  }
  return { kind: 'reached', to: at };
}
