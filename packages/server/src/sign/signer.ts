import { checkpointBody, equalBytes, formatNote, parseCheckpoint, EMPTY_ROOT } from '@sworn/evidence';
import { authenticate } from '../record/authenticator.js';
import { type Database, inTenant, type Tx } from '../store/database.js';
import {
  type CheckpointRow,
  insertCheckpoints,
  readBatches,
  readDurability,
  readSignableLogs,
  type SignableLog,
} from '../store/signing.js';
import type { Advance, Signed, SignerMemory } from './journal.js';

/** Batches read at once while following the chain. */
const BATCHES_A_READ = 1000;

/** Why the signer will not sign a log; recorded in `control` as a FINDING. */
export type SignerFindingKind =
  | 'SIGNER_MEMORY_LOST'
  | 'UNAUTHENTICATED_APPEND'
  | 'LOG_SHORTER_THAN_SIGNED'
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
  /** Told once a finding opens; records it. */
  readonly onFinding: (finding: SignerFinding) => void;
  /** Whether this process still is the one that signs; asked in the transaction that stores checkpoints. */
  readonly holdsLease: (tx: Tx) => Promise<boolean>;
}

/** Signs the committed sizes of a tenant's logs, along an unbroken chain of batch authenticators only. */
export interface Signer {
  /** One round for one tenant; cheap when nothing grew. */
  signTenant(tenantId: string): Promise<void>;
  /** The findings that keep the signer from signing now. */
  open(): readonly SignerFinding[];
}

/** The signer. At most one process may run it (the caller holds the lease). */
export function createSigner(deps: SignerDeps): Signer {
  const findings = new Map<string, SignerFinding>();

  function found(finding: SignerFinding): void {
    const key = `${finding.tenantId}/${finding.log}`;
    const before = findings.get(key);
    findings.set(key, finding);
    if (before?.finding !== finding.finding) deps.onFinding(finding);
  }

  async function signTenant(tenantId: string): Promise<void> {
    const { logs, off } = await inTenant(deps.db, 'signer', tenantId, async (tx) => ({
      logs: await readSignableLogs(tx, tenantId),
      off: (await readDurability(tx)).filter((s) => s.setting === 'off'),
    }));
    const steps: Advance[] = [];
    const rows: CheckpointRow[] = [];
    for (const log of logs) {
      if (off.length > 0) {
        found({
          finding: 'NOT_DURABLE',
          tenantId,
          log: log.log,
          index: log.nextIndex,
          expected: 'on',
          found: `${off.map((s) => s.name).join(', ')} off`,
        });
        continue;
      }
      const step = await nextStep(tenantId, log);
      if (step === 'refused') continue;
      findings.delete(`${tenantId}/${log.log}`);
      if (step === null) continue;
      if (step.from === null || step.to.size > step.from.size) steps.push(step);
      rows.push({ log: log.log, size: step.to.size, root: step.to.root, note: noteFor(step.origin, step.to) });
    }
    if (rows.length === 0) return;
    // Memory first: a crash between the two leaves a memory that is ahead, and the next round signs the very same size again.
    if (steps.length > 0) deps.memory.advance(steps);
    await inTenant(deps.db, 'signer', tenantId, async (tx) => {
      // A process that was stopped for longer than its lease must not publish when it wakes.
      if (await deps.holdsLease(tx)) await insertCheckpoints(tx, tenantId, rows);
    });
  }

  /** What may be signed next for a log; null when there is nothing to sign, `refused` when a finding forbids it. */
  async function nextStep(tenantId: string, log: SignableLog): Promise<Advance | null | 'refused'> {
    const origin = deps.originOf(tenantId, log.log);
    let from = deps.memory.load(origin);
    if ((from?.size ?? 0) < (log.checkpointSize ?? 0)) {
      deps.memory.reload();
      from = deps.memory.load(origin);
    }
    if ((from?.size ?? 0) < (log.checkpointSize ?? 0)) {
      found({
        finding: 'SIGNER_MEMORY_LOST',
        tenantId,
        log: log.log,
        index: from?.size ?? 0,
        expected: `memory of size ${log.checkpointSize}`,
        found: from === null ? 'no memory' : `memory of size ${from.size}`,
      });
      return 'refused';
    }
    if (from !== null && log.nextIndex < from.size) {
      found({
        finding: 'LOG_SHORTER_THAN_SIGNED',
        tenantId,
        log: log.log,
        index: log.nextIndex,
        expected: `at least ${from.size} leaves`,
        found: `${log.nextIndex} leaves`,
      });
      return 'refused';
    }
    if (from !== null && log.checkpointSize === from.size && !storedSays(log, from)) {
      found({
        finding: 'SIGNER_MEMORY_LOST',
        tenantId,
        log: log.log,
        index: from.size,
        expected: 'the root that was signed',
        found: 'another root at the same size',
      });
      return 'refused';
    }
    const start = from ?? { size: 0, root: EMPTY_ROOT };
    if (log.nextIndex === start.size)
      return from !== null && log.checkpointSize !== from.size ? { origin, from, to: from } : null;
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
    while (at.size < log.nextIndex) {
      const batches = await inTenant(deps.db, 'signer', tenantId, (tx) =>
        readBatches(tx, tenantId, log.log, at.size, BATCHES_A_READ),
      );
      for (const batch of batches) {
        if (at.size >= log.nextIndex) break;
        const isNext = batch.first === at.size && batch.count > 0 && equalBytes(batch.rootBefore, at.root);
        if (!isNext || !equalBytes(batch.mac, authenticate(deps.recorderKey, { origin, ...batch }))) {
          found({
            finding: 'UNAUTHENTICATED_APPEND',
            tenantId,
            log: log.log,
            index: at.size,
            expected: `an authenticated batch from ${at.size}`,
            found: `a batch from ${batch.first} of ${batch.count} that is not ours`,
          });
          return null;
        }
        at = { size: batch.first + batch.count, root: batch.rootAfter };
      }
      if (batches.length === 0) {
        found({
          finding: 'UNAUTHENTICATED_APPEND',
          tenantId,
          log: log.log,
          index: at.size,
          expected: `an authenticated batch from ${at.size}`,
          found: 'no authenticator',
        });
        return null;
      }
    }
    return at;
  }

  function noteFor(origin: string, signed: Signed): string {
    return formatNote(checkpointBody({ origin, size: signed.size, root: signed.root }), [
      {
        name: origin,
        publicKey: deps.noteSigner.publicKey,
        sign: (message: Uint8Array) => deps.noteSigner.sign(message),
      },
    ]);
  }

  return { signTenant, open: () => [...findings.values()] };
}

function storedSays(log: SignableLog, signed: Signed): boolean {
  if (log.checkpointNote === null) return false;
  return equalBytes(parseCheckpoint(log.checkpointNote).root, signed.root);
}
