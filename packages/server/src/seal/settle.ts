import type { Appended, LeafDraft } from '../record/draft.js';
import { NotSequenced } from '../record/notSequenced.js';
import { readClock } from '../store/append.js';
import { type Database, inTenant, lookUp } from '../store/database.js';
import { closeRuns, openRuns, putOffRuns, type RunActivity, readWaitingRuns, type Spoken } from '../store/sealing.js';

/** A run that could not be sealed is tried again after this. */
const PUT_OFF_MS = 3_600_000;

/** What settling needs. */
export interface SettleDeps {
  readonly db: Database;
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  /** Told of every revision that this sealer appended, and of none that another did. */
  readonly onSealed?: (revision: SealedRevision) => void;
}

/** Leaf of a revision of a run, and of the one it follows: RUN, or OPENED before the first. */
export interface SealedRevision {
  readonly leaf: Uint8Array;
  readonly before: Uint8Array | null;
}

/** A tenant's log, and what every leaf that the sealer appends to it says. */
export interface OfLog {
  readonly tenantId: string;
  readonly log: string;
  readonly origin: string;
  readonly synthetic: boolean;
}

/**
 * What became of a run that was due. `below`: it is sealed with all of its steps below this leaf index, and with all of its events below the place
 * `eventsBelow`. `leaves`: how many were folded.
 */
export type Sealing = Sealed | Ready | Failed | Same;

/** `index`: of its newest RUN leaf. `conversation`: in which another run may have waited for it. */
export interface Sealed {
  readonly kind: 'sealed';
  readonly runId: string;
  readonly below: number;
  readonly eventsBelow: number;
  readonly index: number;
  readonly conversation: Spoken | null;
  readonly leaves: number;
}

export interface Ready {
  readonly kind: 'ready';
  readonly runId: string;
  readonly below: number;
  readonly eventsBelow: number;
  readonly draft: LeafDraft;
  /** What was concluded of it beside: stored in the same transaction, so that a RUN leaf that is there has all of it beside it. */
  readonly concluded: readonly LeafDraft[];
  readonly leaves: number;
  /** Leaf of the revision it follows. */
  readonly before: Uint8Array | null;
}

/** Its newest RUN leaf says all there is. */
export interface Same {
  readonly kind: 'same';
  readonly runId: string;
  readonly below: number;
  readonly eventsBelow: number;
  readonly leaves: number;
}

export interface Failed {
  readonly kind: 'failed';
  readonly runId: string;
  readonly error: unknown;
  readonly leaves: number;
}

export interface AppendedRuns {
  readonly appended: ReadonlyMap<Ready, Appended>;
  readonly refused: readonly Failed[];
}

/** What came of runs that were sealed together. `leaves`: how many were folded. */
export interface Settled {
  readonly leaves: number;
  readonly failures: readonly unknown[];
}

/** Appends, closes what was sealed, puts off what failed, and wakes the runs that waited for what was sealed. */
export async function settle(deps: SettleDeps, of: OfLog, sealings: readonly Sealing[]): Promise<Settled> {
  const { tenantId } = of;
  const ready = sealings.filter((s) => s.kind === 'ready');
  const { appended, refused } = await appendAll(deps, tenantId, ready);
  // A duplicate is a revision that another sealer appended meanwhile, of more or fewer steps: the next turn looks what it covers.
  const stored = ready.flatMap((run): Sealed[] => {
    const leaf = appended.get(run);
    if (leaf?.outcome !== 'stored') return [];
    const { runId, below, eventsBelow, draft, leaves, before } = run;
    deps.onSealed?.({ leaf: draft.leaf, before });
    const conversation = conversationOf(draft.leaf);
    return [{ kind: 'sealed', runId, below, eventsBelow, index: leaf.index, conversation, leaves }];
  });
  const sealed = [...sealings.filter((s) => s.kind === 'sealed'), ...stored];
  const failed = [...sealings.filter((s) => s.kind === 'failed'), ...refused];
  const woken = await wokenBy(deps, of, sealed);
  await inTenant(deps.db, 'writer', tenantId, async (tx) => {
    await closeRuns(tx, tenantId, [...sealed, ...sealings.filter((s) => s.kind === 'same')]);
    await openRuns(tx, tenantId, woken);
    await putOffRuns(
      tx,
      tenantId,
      failed.map((s) => s.runId),
      PUT_OFF_MS,
    );
  });
  return { leaves: sealings.reduce((sum, s) => sum + s.leaves, 0), failures: failed.map((s) => s.error) };
}

/** Has the runs looked at again that waited for what was sealed. */
export async function wake(
  { db }: Pick<SettleDeps, 'db'>,
  of: Pick<OfLog, 'tenantId' | 'log'>,
  sealed: readonly Pick<Sealed, 'index' | 'conversation'>[],
): Promise<void> {
  const woken = await wokenBy({ db }, of, sealed);
  await inTenant(db, 'writer', of.tenantId, (tx) => openRuns(tx, of.tenantId, woken));
}

/** Runs that waited while one of their conversation that began later was sealed: each is looked at again, at once. */
async function wokenBy(
  { db }: Pick<SettleDeps, 'db'>,
  { tenantId, log }: Pick<OfLog, 'tenantId' | 'log'>,
  sealed: readonly Pick<Sealed, 'index' | 'conversation'>[],
): Promise<RunActivity[]> {
  const conversations = sealed.flatMap((s) => (s.conversation === null ? [] : [s.conversation]));
  if (conversations.length === 0) return [];
  const { waiting, now } = await lookUp(db, tenantId, async (tx) => ({
    waiting: await readWaitingRuns(tx, tenantId, log, conversations),
    now: await readClock(tx),
  }));
  const index = sealed.reduce((last, s) => Math.max(last, s.index), 0);
  return waiting.map(({ runId, traceId, revision, runIndex, runOccurredAt }) => ({
    runId,
    traceId,
    revision,
    openedIndex: runIndex,
    runOccurredAt,
    steps: 0,
    lastIndex: index,
    lastEvent: -1,
    lastSeenAt: now,
    isForeign: false,
    rootSeenAt: now,
    graceMs: 0,
    idleMs: 0,
  }));
}

/** Appends together what can be; when the database refuses something of it, one by one, so that no run holds up another. */
async function appendAll({ append }: SettleDeps, tenantId: string, ready: readonly Ready[]): Promise<AppendedRuns> {
  const appended = new Map<Ready, Appended>();
  const refused: Failed[] = [];
  const put = async (runs: readonly Ready[]): Promise<void> => {
    const made = await append(
      tenantId,
      runs.flatMap((run) => [run.draft, ...run.concluded]),
    );
    let at = 0;
    for (const run of runs) {
      const one = made[at];
      if (one !== undefined) appended.set(run, one);
      at += 1 + run.concluded.length;
    }
  };
  try {
    await put(ready);
  } catch (error) {
    if (error instanceof NotSequenced) throw error;
    for (const run of ready) {
      await put([run]).catch((cause: unknown) => {
        if (cause instanceof NotSequenced) throw cause;
        refused.push({ kind: 'failed', runId: run.runId, error: cause, leaves: 0 });
      });
    }
  }
  return { appended, refused };
}

/** The conversation of a RUN leaf, and when the run started; null where it names none. */
export function conversationOf(leaf: Uint8Array): Spoken | null {
  const members = JSON.parse(Buffer.from(leaf).toString('utf8')) as {
    readonly conversation_id?: string;
    readonly service?: string;
    readonly started_at: string;
  };
  const { conversation_id: conversationId, service, started_at: startedAt } = members;
  return conversationId === undefined ? null : { conversationId, service: service ?? null, startedAt };
}
