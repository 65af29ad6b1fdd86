import type { Appended } from '../record/draft.js';
import { type AccessEvent, type AccessRecordDeps, accessLeaf } from './accessRecord.js';
import { foldedLeaf } from './foldedRecord.js';
import { type FoldedReads, Folds } from './folds.js';
import { type Append, timestamp } from './keys.js';
import { Refusal } from './refusal.js';

/** Makes a read durable in the `access` log. Resolves before the answer may leave. @throws Refusal `unavailable` when it cannot be written. */
export type RecordAccess = (event: AccessEvent) => Promise<void>;

/** Gives the place back; once or more often. */
export type Leave = () => void;

/** Records reads, on a queue and on connections of Sworn's own: no flood of ingest stands before it. */
export interface AccessRecorder {
  readonly record: RecordAccess;
  /** Takes a place before a read is done, so that none is done for nothing: reads under way whose records are not durable. Null: there is none. */
  enter(tenantId: string): Leave | null;
  /** Writes what was counted in minutes that are over. To be called once in a while; what fails is tried again by the next call. */
  settle(): Promise<void>;
  /** Writes all that was counted; called when nothing is recorded any more. */
  close(): Promise<void>;
}

/** What the access recorder needs. */
export interface AccessRecorderDeps extends AccessRecordDeps {
  /** Through the recorder's own sequencer: no ingest path reaches `access`. */
  readonly append: Append;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each request that has a record of its own or is counted in one, and of each record that there was no place for or that could not be written. */
  readonly tell: (decision: AccessEvent['decision'], record: 'own' | 'folded' | 'none') => void;
}

/** Reads of one tenant, and of all, that may be under way. One commit takes all records that wait, so these are a few of them; each may hold a page. */
const READS_A_TENANT = 512;
const READS = 1_536;
/** READ_FOLDED leaves in one call: reads that come meanwhile wait for no more than this. */
const SETTLED_AT_ONCE = 256;

/** A recorder of reads. Alike ones that carry no content are folded (docs/decisions/0014). */
export function createAccessRecorder(deps: AccessRecorderDeps): AccessRecorder {
  const folds = new Folds();
  const underWay = new Map<string, number>();
  let allUnderWay = 0;

  async function record(event: AccessEvent): Promise<void> {
    const fold = event.fold === null ? null : folds.of(event, event.fold);
    const isFolded = fold !== null && fold.own >= fold.keeps;
    try {
      if (fold === null) await write(event);
      else await (isFolded ? count : keep)(fold, event);
    } catch (error) {
      deps.tell('DENY', 'none');
      throw error;
    }
    // The end of a stream is no request.
    if (event.kind !== 'READ_ENDED') deps.tell(event.decision, isFolded ? 'folded' : 'own');
  }

  async function keep(fold: FoldedReads, event: AccessEvent): Promise<void> {
    fold.own += 1;
    const writing = write(event);
    fold.latest = writing;
    try {
      const place = await writing;
      const { requestId, endpoint, credential, permission, rule, decision, reason, status, source, runId } = event;
      fold.standIn = {
        requestId,
        endpoint,
        credential,
        permission,
        rule,
        decision,
        reason,
        status,
        source,
        runId,
        place,
      };
    } catch (error) {
      fold.own -= 1;
      throw error;
    }
  }

  /** Counted before it waits, so that the minute cannot be written without it. */
  async function count(fold: FoldedReads, { at }: AccessEvent): Promise<void> {
    fold.count += 1;
    if (fold.firstAt === '' || at < fold.firstAt) fold.firstAt = at;
    if (at > fold.lastAt) fold.lastAt = at;
    try {
      await fold.latest;
    } catch (error) {
      fold.count -= 1;
      throw error;
    }
  }

  async function write(event: AccessEvent): Promise<Appended> {
    try {
      const [place] = await deps.append(event.tenantId, [await accessLeaf(deps, event)]);
      if (place === undefined) throw new Error('the sequencer answered for no leaf');
      return place;
    } catch (cause) {
      throw Object.assign(new Refusal('unavailable', 'the read could not be recorded, so it is not answered'), {
        cause,
      });
    }
  }

  function enter(tenantId: string): Leave | null {
    const mine = underWay.get(tenantId) ?? 0;
    if (allUnderWay >= READS || mine >= READS_A_TENANT) {
      deps.tell('DENY', 'none');
      return null;
    }
    allUnderWay += 1;
    underWay.set(tenantId, mine + 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      allUnderWay -= 1;
      const left = (underWay.get(tenantId) ?? 1) - 1;
      if (left === 0) underWay.delete(tenantId);
      else underWay.set(tenantId, left);
    };
  }

  /** One tenant after the other, so that reads find connections free. Ends at the first failure: with the database away each costs seconds. */
  async function settle(): Promise<void> {
    for (const [tenantId, mine] of byTenant(folds.over(timestamp(deps.now()).slice(0, 16)))) {
      try {
        await settleTenant(tenantId, mine);
      } catch (error) {
        folds.postponed(mine);
        throw error;
      }
    }
  }

  /** All tenants at once: nobody reads any more, and one tenant's failure costs the others nothing. */
  async function close(): Promise<void> {
    const all = [...byTenant(folds.over(null))].map(([tenantId, mine]) => settleTenant(tenantId, mine));
    const failed = (await Promise.allSettled(all)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async function settleTenant(tenantId: string, mine: readonly FoldedReads[]): Promise<void> {
    for (let at = 0; at < mine.length; at += SETTLED_AT_ONCE) {
      await settleSome(tenantId, mine.slice(at, at + SETTLED_AT_ONCE));
    }
  }

  async function settleSome(tenantId: string, some: readonly FoldedReads[]): Promise<void> {
    // What is on its way decides what stands for those counted, and whether they were answered at all.
    await Promise.allSettled(some.map((fold) => fold.latest ?? Promise.resolve()));
    const counted = some.flatMap((fold) => {
      const { standIn } = fold;
      return fold.count > 0 && standIn !== null ? [foldedLeaf(deps, fold, standIn)] : [];
    });
    await deps.append(tenantId, await Promise.all(counted));
    folds.written(some);
  }

  return {
    record,
    enter,
    settle,
    close,
  };
}

function byTenant(folds: readonly FoldedReads[]): Map<string, FoldedReads[]> {
  const tenants = new Map<string, FoldedReads[]>();
  for (const fold of folds) {
    const mine = tenants.get(fold.tenantId);
    if (mine === undefined) tenants.set(fold.tenantId, [fold]);
    else mine.push(fold);
  }
  return tenants;
}
