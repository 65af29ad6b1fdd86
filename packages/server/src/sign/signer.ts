import { checkpointBody, EMPTY_ROOT, equalBytes, formatNote, TOPICS } from '@sworn/evidence';
import { authenticate } from '../record/authenticator.js';
import { type Database, inTenant, type Tx } from '../store/database.js';
import { insertCheckpoints, readBatches, readUndurable, readSignableLogs, type SignableLog } from '../store/signing.js';
import type { Advance, Signed, SignerMemory } from './journal.js';

/** Batches read at once while following the chain. */
const BATCHES_A_READ = 1000;

/** Why the signer will not sign a log; recorded in `control` as a FINDING. */
export type SignerFindingKind =
  | 'SIGNER_MEMORY_LOST'
  | 'UNAUTHENTICATED_APPEND'
  | 'LOG_SHORTER_THAN_SIGNED'
  | 'LOG_DIFFERS_FROM_SIGNED'
  | 'NOT_DURABLE';

/** A finding of the signer about one log. */
export interface SignerFinding {
  readonly finding: SignerFindingKind;
  readonly tenantId: string;
  readonly log: string;
  /** First leaf index that is not vouched for. */
  readonly index: number;
  readonly expected: string;
  readonly found: string;
}

/** The deployment's note key: signs one note text for one key name (an origin). */
export interface NoteSigner {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 signature, 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

/** What the signer needs. */
export interface SignerDeps {
  readonly db: Database;
  readonly memory: SignerMemory;
  readonly noteSigner: NoteSigner;
  readonly recorderKey: Uint8Array;
  readonly originOf: (tenantId: string, log: string) => string;
  /** Records a finding. Awaited at the end of a round, and called again in the next one when it rejects. */
  readonly onFinding: (finding: SignerFinding) => unknown;
  /** Whether this process still is the one that signs. Asked in the transaction that stores checkpoints, which it locks the lease for. */
  readonly holdsLease: (tx: Tx) => Promise<boolean>;
}

/** Signs the committed sizes of a tenant's logs, along an unbroken chain of batch authenticators only. */
export interface Signer {
  /** One round for one tenant; cheap when nothing grew. */
  signTenant(tenantId: string): Promise<void>;
  /** Tenants that were ever signed for: they have their rounds whether or not the database still knows them. */
  remembered(): ReadonlySet<string>;
  /** The findings that keep the signer from signing now. */
  open(): readonly SignerFinding[];
}

/** The signer. At most one process may run it (the caller holds the lease). */
export function createSigner(deps: SignerDeps): Signer {
  const findings = new Map<string, SignerFinding>();
  const unrecorded = new Map<string, SignerFinding>();

  function refuse(finding: SignerFinding): 'refused' {
    const key = `${finding.tenantId}/${finding.log}`;
    if (findings.get(key)?.finding !== finding.finding) unrecorded.set(`${key} ${finding.finding}`, finding);
    findings.set(key, finding);
    return 'refused';
  }

  function differs(tenantId: string, log: string, index: number, found: string): 'refused' {
    return refuse({ finding: 'LOG_DIFFERS_FROM_SIGNED', tenantId, log, index, expected: 'what was signed', found });
  }

  async function signTenant(tenantId: string): Promise<void> {
    await publish(tenantId, await nextSteps(tenantId));
    for (const [key, finding] of [...unrecorded].filter(([, f]) => f.tenantId === tenantId)) {
      await deps.onFinding(finding);
      unrecorded.delete(key);
    }
  }

  async function nextSteps(tenantId: string): Promise<readonly NextStep[]> {
    const { logs, off } = await inTenant(deps.db, 'signer', tenantId, async (tx) => ({
      logs: await readSignableLogs(tx, tenantId),
      off: await readUndurable(tx, deps.db.rolePrefix),
    }));
    const steps: NextStep[] = [];
    for (const topic of TOPICS) {
      const isThere = logs.some(({ log }) => log === topic);
      if (!isThere && deps.memory.load(deps.originOf(tenantId, topic)) !== null) lost(tenantId, topic);
    }
    for (const log of logs) {
      if (off.length > 0) {
        const found = off.join(', ');
        refuse({ finding: 'NOT_DURABLE', tenantId, log: log.log, index: log.nextIndex, expected: 'on', found });
        continue;
      }
      const step = await nextStep(tenantId, log);
      if (step === 'refused') continue;
      findings.delete(`${tenantId}/${log.log}`);
      if (step !== null) steps.push({ log: log.log, ...step });
    }
    return steps;
  }

  async function publish(tenantId: string, steps: readonly NextStep[]): Promise<void> {
    if (steps.length === 0) return;
    const rows = steps.map(({ log, origin, to }) => ({ log, ...to, note: noteFor(origin, to) }));
    await inTenant(deps.db, 'signer', tenantId, async (tx) => {
      // A process that was stopped for longer than its lease must not publish when it wakes. Until the commit nobody else can take it.
      if (!(await deps.holdsLease(tx))) return;
      // Memory first: a crash between the two leaves a memory that is ahead, and the next round signs the very same size again.
      deps.memory.advance(steps.filter(({ from, to }) => from === null || to.size > from.size));
      await insertCheckpoints(tx, tenantId, rows);
    });
  }

  function remembered(): ReadonlySet<string> {
    const tenants = new Set<string>();
    for (const origin of deps.memory.origins()) {
      const [, tenantId, log] = origin.split('/');
      if (tenantId !== undefined && log !== undefined && deps.originOf(tenantId, log) === origin) tenants.add(tenantId);
    }
    return tenants;
  }

  function lost(tenantId: string, log: string): 'refused' {
    const expected = `at least ${deps.memory.load(deps.originOf(tenantId, log))?.size} leaves`;
    return refuse({ finding: 'LOG_SHORTER_THAN_SIGNED', tenantId, log, index: 0, expected, found: 'no such log' });
  }

  /** What may be signed next for a log; null when there is nothing to sign, `refused` when a finding forbids it. */
  async function nextStep(tenantId: string, log: SignableLog): Promise<Advance | null | 'refused'> {
    const origin = deps.originOf(tenantId, log.log);
    const from = deps.memory.load(origin);
    const size = from?.size ?? 0;
    const stored = log.checkpointSize ?? 0;
    if (size < stored)
      return refuse({
        finding: 'SIGNER_MEMORY_LOST',
        tenantId,
        log: log.log,
        index: size,
        expected: `memory of size ${stored}`,
        found: from === null ? 'no memory' : `memory of size ${size}`,
      });
    if (log.nextIndex < size)
      return refuse({
        finding: 'LOG_SHORTER_THAN_SIGNED',
        tenantId,
        log: log.log,
        index: log.nextIndex,
        expected: `at least ${size} leaves`,
        found: `${log.nextIndex} leaves`,
      });
    const isStored = stored === size;
    if (from !== null && isStored && !log.checkpointNote?.startsWith(`${bodyOf(origin, from)}\n`))
      return differs(tenantId, log.log, size, 'another checkpoint of the same size');
    const start = from ?? { size: 0, root: EMPTY_ROOT };
    if (log.nextIndex === size) {
      // An older copy of the log that has grown to the same size again, or a head that somebody wrote.
      if (!equalBytes(log.root, start.root)) return differs(tenantId, log.log, size, 'another root at the same size');
      return from === null || isStored ? null : { origin, from, to: from };
    }
    const to = await followChain(tenantId, log, origin, start);
    return to === null ? 'refused' : { origin, from, to };
  }

  /** Walks the authenticators from `start` to the head; a gap, a wrong root or a wrong MAC ends it with a finding. */
  async function followChain(
    tenantId: string,
    log: SignableLog,
    origin: string,
    start: Signed,
  ): Promise<Signed | null> {
    let at = start;
    const broken = (found: string): null => {
      const expected = `an authenticated batch from ${at.size}`;
      refuse({ finding: 'UNAUTHENTICATED_APPEND', tenantId, log: log.log, index: at.size, expected, found });
      return null;
    };
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
    return at;
  }

  function noteFor(origin: string, signed: Signed): string {
    return formatNote(bodyOf(origin, signed), [
      {
        name: origin,
        publicKey: deps.noteSigner.publicKey,
        sign: (message: Uint8Array) => deps.noteSigner.sign(message),
      },
    ]);
  }

  return { signTenant, remembered, open: () => [...findings.values()] };
}

/** What is to be signed of one log. */
type NextStep = Advance & { readonly log: string };

function bodyOf(origin: string, { size, root }: Signed): string {
  return checkpointBody({ origin, size, root });
}
