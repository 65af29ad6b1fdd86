import { type Loop, startLoop } from '../loop.js';

/** A build that waits for its turn. */
export interface QueuedBuild {
  readonly tenantId: string;
  /** Two of one name are one. */
  readonly name: string;
  /** Rejects when there is no bundle; what it rejects with is remembered for a while. */
  build(): Promise<void>;
}

/** How a build stands. */
export type BuildStanding =
  | { readonly kind: 'none' }
  | { readonly kind: 'pending' }
  /** Not tried again before `retryAt`, milliseconds of `now`. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly retryAt: number };

/** Builds one after the other, in fair turns. */
export interface BuildQueue {
  standing(tenantId: string, name: string): BuildStanding;
  /** False: no more wait than there is room for. One that is pending is not queued again. */
  add(build: QueuedBuild): boolean;
  /** Begins none any more; resolves when those under way have ended. */
  stop(): Promise<void>;
}

/** What queueing needs. */
export interface BuildQueueDeps {
  /** Takes, or keeps, a tenant's turn among all processes, for `TURN_MS`; false: another one has it. */
  readonly takeTurn: (tenantId: string, ms: number) => Promise<boolean>;
  readonly giveTurn: (tenantId: string) => Promise<void>;
  readonly tell: (error: unknown, message: string) => void;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
}

/** Builds of one process under way, of different tenants: they share the one thread with ingest and reads, of which each takes a quarter at most. */
const BUILDS_AT_ONCE = 2;
/** Builds of one tenant, and of all, that wait in a process: a build takes from a second to minutes, and nobody waits for hours. */
const WAITING_A_TENANT = 16;
const WAITING = 256;
/** A process that is killed in mid-build keeps its tenant from building for so long at most, milliseconds. */
const TURN_MS = 10_000;
const RENEW_TURN_MS = 3_000;
/** While another process builds for a tenant its turn is asked for this often. */
const ASK_TURN_EVERY_MS = 1_000;
/** What failed is not tried again for so long, or whoever polls would have it built over and over. */
const FAILED_FOR_MS = 60_000;
/** Failures that are remembered; the oldest goes first, and is tried again when it is asked for. */
const FAILURES_HELD = 1_024;

/** A queue of builds: one of a tenant at a time, over all processes; in this one a few, tenant after tenant. It is of this process: what waits in one that is killed is queued by whoever asks next. */
export function createBuildQueue(deps: BuildQueueDeps): BuildQueue {
  /** By tenant, whose turn comes first standing first. */
  const waiting = new Map<string, QueuedBuild[]>();
  const building = new Set<string>();
  const failed = new Map<string, { readonly error: unknown; readonly retryAt: number }>();
  const resting = new Map<string, NodeJS.Timeout>();
  const underWay = new Set<Promise<void>>();
  let count = 0;
  let isStopped = false;

  function standing(tenantId: string, name: string): BuildStanding {
    if (waiting.get(tenantId)?.some((one) => one.name === name) === true) return { kind: 'pending' };
    const failure = failed.get(nameOf(tenantId, name));
    if (failure === undefined) return { kind: 'none' };
    if (failure.retryAt > deps.now()) return { kind: 'failed', ...failure };
    failed.delete(nameOf(tenantId, name));
    return { kind: 'none' };
  }

  function add(build: QueuedBuild): boolean {
    const { tenantId, name } = build;
    if (standing(tenantId, name).kind === 'pending') return true;
    const mine = waiting.get(tenantId) ?? [];
    if (isStopped || count >= WAITING || mine.length >= WAITING_A_TENANT) return false;
    waiting.set(tenantId, [...mine, build]);
    count += 1;
    goOn();
    return true;
  }

  /** Begins what may begin. */
  function goOn(): void {
    for (const tenantId of waiting.keys()) {
      if (isStopped || building.size >= BUILDS_AT_ONCE) return;
      if (building.has(tenantId) || resting.has(tenantId)) continue;
      building.add(tenantId);
      const turn = takenTurn(tenantId).finally(() => {
        building.delete(tenantId);
        underWay.delete(turn);
        goOn();
      });
      underWay.add(turn);
    }
  }

  async function takenTurn(tenantId: string): Promise<void> {
    const build = waiting.get(tenantId)?.[0];
    if (build === undefined) return;
    const isMine = await deps.takeTurn(tenantId, TURN_MS).catch((error: unknown) => {
      deps.tell(error, 'the turn to build a bundle could not be asked for');
      return false;
    });
    if (!isMine) return rest(tenantId);
    if (!isStopped) await run(build);
    await deps.giveTurn(tenantId).catch((error: unknown) => deps.tell(error, 'the turn to build was not given back'));
  }

  async function run(build: QueuedBuild): Promise<void> {
    const { tenantId, name } = build;
    const keeping = keepTurn(tenantId);
    try {
      await build.build();
    } catch (error) {
      deps.tell(error, 'a bundle was not built');
      remember(nameOf(tenantId, name), error);
    } finally {
      await keeping.stop();
      leave(build);
    }
  }

  /** Whoever loses it in the middle goes on: of two that are built one is kept, and they are the same. */
  function keepTurn(tenantId: string): Loop {
    return startLoop(
      RENEW_TURN_MS,
      async () => void (await deps.takeTurn(tenantId, TURN_MS)),
      (error) => deps.tell(error, 'the turn to build could not be kept'),
    );
  }

  /** Its tenant stands behind the others then. */
  function leave({ tenantId, name }: QueuedBuild): void {
    const left = (waiting.get(tenantId) ?? []).filter((one) => one.name !== name);
    waiting.delete(tenantId);
    if (left.length > 0) waiting.set(tenantId, left);
    count -= 1;
  }

  function remember(name: string, error: unknown): void {
    failed.delete(name);
    const [oldest] = failed.keys();
    if (failed.size >= FAILURES_HELD && oldest !== undefined) failed.delete(oldest);
    failed.set(name, { error, retryAt: deps.now() + FAILED_FOR_MS });
  }

  function rest(tenantId: string): void {
    if (isStopped) return;
    const timer = setTimeout(() => {
      resting.delete(tenantId);
      goOn();
    }, ASK_TURN_EVERY_MS);
    resting.set(tenantId, timer);
  }

  return {
    standing,
    add,
    async stop() {
      isStopped = true;
      for (const timer of resting.values()) clearTimeout(timer);
      await Promise.all(underWay);
    },
  };
}

function nameOf(tenantId: string, name: string): string {
  return `${tenantId}/${name}`;
}
