import { checkpointBody, formatNote, TOPICS } from '@sworn/evidence';
import type { HeldSigningKey } from '../record/signingKeyFiles.js';
import { inTenant, type Tx } from '../store/database.js';
import { insertCheckpoints, readSignableLogs, readUndurable, type SignableLog } from '../store/signing.js';
import type { SignerFinding } from './finding.js';
import type { Advance, Signed, SignerMemory } from './journal.js';
import { type NextStepDeps, nextStep } from './nextStep.js';
import type { Recovered } from './recovered.js';

/** What the signer needs. */
export interface SignerDeps extends NextStepDeps {
  readonly memory: SignerMemory;
  /**
   * Which key signs a size of a log, by the tenant's `control` as of now; null when its private half is not here. Asked while the lease is
   * locked, which a rotation locks too.
   */
  readonly signingKeysOf: (tenantId: string) => Promise<(log: string, size: number) => Promise<HeldSigningKey | null>>;
  /** What was recovered of a tenant. Asked only about tenants that have, or are remembered with, more than their first logs, or lack some. */
  readonly recoveredOf: (tenantId: string) => Promise<Recovered>;
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
  /** Signed logs of later generations, by tenant, as of the last look at all that is remembered. */
  const later = new Map<string, readonly string[]>();

  function refuse(finding: SignerFinding): void {
    const key = `${finding.tenantId}/${finding.log}`;
    if (findings.get(key)?.finding !== finding.finding) unrecorded.set(`${key} ${finding.finding}`, finding);
    findings.set(key, finding);
  }

  async function signTenant(tenantId: string): Promise<void> {
    await publish(tenantId, await nextSteps(tenantId));
    for (const [key, finding] of [...unrecorded].filter(([, f]) => f.tenantId === tenantId)) {
      await deps.onFinding(finding);
      unrecorded.delete(key);
    }
  }

  async function nextSteps(tenantId: string): Promise<readonly StepOfLog[]> {
    const { logs, off } = await inTenant(deps.db, 'signer', tenantId, async (tx) => ({
      logs: await readSignableLogs(tx, tenantId),
      off: await readUndurable(tx, deps.db.rolePrefix),
    }));
    const lost = [...TOPICS, ...(later.get(tenantId) ?? [])].filter(
      (name) => !logs.some(({ log }) => log === name) && deps.memory.load(deps.originOf(tenantId, name)) !== null,
    );
    const isPlain = lost.length === 0 && logs.every(({ generation, closed }) => generation === 1 && !closed);
    const recovered = isPlain ? null : await deps.recoveredOf(tenantId);
    for (const log of lost) {
      if (recovered?.closed.has(log) === true) findings.delete(`${tenantId}/${log}`);
      else refuse(lostLog(deps, tenantId, log));
    }
    const steps: StepOfLog[] = [];
    for (const log of logs) {
      const name = log.log;
      // What it was given up for stands in its LOG_RECOVERED leaf. That alone closes it: the row is no evidence.
      if (log.closed && recovered?.closed.has(name) === true) {
        findings.delete(`${tenantId}/${name}`);
        continue;
      }
      const finding = notToBeSigned(tenantId, log, { off, recovered });
      if (finding !== null) {
        refuse(finding);
        continue;
      }
      const next = await nextStep(deps, tenantId, log);
      if (next.kind === 'refused') refuse(next.finding);
      else if (next.kind === 'step') steps.push({ log: name, ...next.step });
      else findings.delete(`${tenantId}/${name}`);
    }
    return steps;
  }

  async function publish(tenantId: string, steps: readonly StepOfLog[]): Promise<void> {
    if (steps.length === 0) return;
    const signed: (StepOfLog & { readonly note: string })[] = [];
    await inTenant(deps.db, 'signer', tenantId, async (tx) => {
      // A process that was stopped for longer than its lease must not publish when it wakes. Until the commit nobody else can take it.
      if (!(await deps.holdsLease(tx))) return;
      const keyOf = await deps.signingKeysOf(tenantId);
      for (const step of steps) {
        const key = await keyOf(step.log, step.to.size);
        if (key === null) refuse(keyMissing(tenantId, step));
        else signed.push({ ...step, note: noteOf(step, key) });
      }
      // Memory first: a crash between the two leaves a memory that is ahead, and the next round signs the very same size again.
      deps.memory.advance(signed.filter(({ from, to }) => from === null || to.size > from.size));
      if (signed.length > 0)
        await insertCheckpoints(
          tx,
          tenantId,
          signed.map(({ log, to, note }) => ({ log, ...to, note })),
        );
    });
    for (const { log } of signed) findings.delete(`${tenantId}/${log}`);
  }

  function remembered(): ReadonlySet<string> {
    const tenants = new Set<string>();
    later.clear();
    for (const origin of deps.memory.origins()) {
      const [, tenantId, log] = origin.split('/');
      if (tenantId === undefined || log === undefined || deps.originOf(tenantId, log) !== origin) continue;
      tenants.add(tenantId);
      if (log.includes('.')) later.set(tenantId, [...(later.get(tenantId) ?? []), log]);
    }
    return tenants;
  }

  return { signTenant, remembered, open: () => [...findings.values()] };
}

/** What is to be signed of one log. */
type StepOfLog = Advance & { readonly log: string };

/** The finding about a log that was signed and is not there. */
function lostLog(deps: Pick<SignerDeps, 'memory' | 'originOf'>, tenantId: string, log: string): SignerFinding {
  const expected = `at least ${deps.memory.load(deps.originOf(tenantId, log))?.size} leaves`;
  return { finding: 'LOG_SHORTER_THAN_SIGNED', tenantId, log, index: 0, expected, found: 'no such log' };
}

function notToBeSigned(
  tenantId: string,
  { log, generation, nextIndex }: SignableLog,
  { off, recovered }: { readonly off: readonly string[]; readonly recovered: Recovered | null },
): SignerFinding | null {
  const of = { tenantId, log };
  if (off.length > 0) return { finding: 'NOT_DURABLE', ...of, index: nextIndex, expected: 'on', found: off.join(', ') };
  if (generation === 1 || recovered?.opened.has(log) === true) return null;
  return { finding: 'LOG_NOT_RECOVERED', ...of, index: 0, expected: 'a LOG_RECOVERED leaf', found: 'none' };
}

function keyMissing(tenantId: string, { log, from, to }: StepOfLog): SignerFinding {
  const expected = `the key that signs size ${to.size}`;
  return { finding: 'SIGNING_KEY_MISSING', tenantId, log, index: from?.size ?? 0, expected, found: 'not held' };
}

function noteOf({ origin, to }: { readonly origin: string; readonly to: Signed }, key: HeldSigningKey): string {
  return formatNote(checkpointBody({ origin, ...to }), [
    { name: origin, publicKey: key.publicKey, sign: (message) => key.sign(message) },
  ]);
}
