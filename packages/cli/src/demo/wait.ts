import { CommandFailed, EXIT } from '../exitCode.js';

/** What the wait looks at, of each item of `GET /llm-runs` (CONTRACT.md §3.1). */
interface ListedRun {
  readonly run_id: string;
  readonly trace_id: string | null;
  readonly execution_status: string;
  readonly waiting_for: string | null;
  readonly metadata: { readonly integrity: { readonly state: string } };
}

/** Runs found by their traces, and which of them are sealed and covered by a signed checkpoint. */
export interface Progress {
  readonly runIds: readonly string[];
  readonly settled: boolean;
  /** How many of them are sealed and go on only when somebody decides: they stay RUNNING. */
  readonly waiting: number;
}

export interface Watch {
  /** Base URL of the facade. */
  readonly http: string;
  readonly readerKey: string;
  readonly traceIds: ReadonlySet<string>;
  /** The traces that are waited for: those whose root was sent. */
  readonly rooted: ReadonlySet<string>;
  /** Milliseconds until the wait gives up and says how far it came. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** One look a second: each is a read like any other, with its record in the access log. */
const LOOK_EVERY_MS = 1000;

/** Waits until every trace with a root is a run that ended or waits for somebody, and a signed checkpoint covers that, or patience ends. */
export async function waitUntilSettled(watch: Watch): Promise<Progress> {
  const end = Date.now() + watch.patienceMs;
  for (;;) {
    const progress = await look(watch);
    if (progress.settled || Date.now() > end) return progress;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    watch.signal.throwIfAborted();
  }
}

async function look({ http, readerKey, traceIds, rooted, signal }: Watch): Promise<Progress> {
  const answer = await fetch(`${http}/api/v1/logs/llm-runs?limit=100`, {
    headers: { authorization: `Bearer ${readerKey}` },
    signal,
  });
  if (!answer.ok) {
    throw new CommandFailed(
      EXIT.unable,
      `${http} does not list its runs: ${answer.status} ${(await answer.text()).slice(0, 500)}`,
    );
  }
  const { items } = (await answer.json()) as { items: readonly ListedRun[] };
  const ours = items.filter((run) => run.trace_id !== null && traceIds.has(run.trace_id));
  const isSettled = (run: ListedRun): boolean =>
    (run.execution_status !== 'RUNNING' || run.waiting_for !== null) && run.metadata.integrity.state === 'COVERED';
  return {
    runIds: ours.map((run) => run.run_id),
    waiting: ours.filter((run) => run.waiting_for !== null).length,
    settled: [...rooted].every((traceId) => ours.some((run) => run.trace_id === traceId && isSettled(run))),
  };
}
