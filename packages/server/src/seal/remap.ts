import type { JsonValue } from '@sworn/evidence';
import { type Mapper, mapSpan, type StepFields } from '../otlp/map/step.js';
import { readResource, readSpan } from '../otlp/span.js';
import { type DataKey, openBody } from '../record/body.js';
import type { DataKeys } from '../record/dataKeys.js';
import type { Appended, LeafDraft } from '../record/draft.js';
import { KeyRefused } from '../record/keyFile.js';
import { type Database, lookUp } from '../store/database.js';
import { readMembersOfTraces, readTracesOfRuns } from '../store/members.js';
import { readSealedRuns } from '../store/remapping.js';
import { readAuditLogs } from '../store/sealedEvents.js';
import { findRuns, type KnownRun, readOpenSizes } from '../store/sealing.js';
import { readBodies, readStepsAt, type StoredStep } from '../store/steps.js';
import { createEventFinder } from './events.js';
import { createFold, type Fold, type RunSummary, type StepFold } from './fold.js';
import { createGatherer, type Gatherer, TRACES_AT_ONCE, type TraceOfRun } from './gather.js';
import { runLeaf } from './leaves.js';
import { findResumption } from './resumption.js';
import { changedMembers } from './revisions.js';
import { conversationOf, wake } from './settle.js';
import { readStep, type SealedStep } from './step.js';

/** Runs read at once. */
const RUNS_AT_ONCE = 100;
/** Steps of a run that are mapped again; one of more is left as it is, and named. About 20 KB each, body and all, in pieces of `STEPS_AT_ONCE`. */
const MAX_STEPS = 20_000;
const STEPS_AT_ONCE = 500;

/** What mapping runs again needs. */
export interface RemapDeps {
  readonly db: Database;
  /** Of the writer's sequencer. */
  readonly append: (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;
  readonly originOf: (tenantId: string, log: string) => string;
  readonly dataKeys: DataKeys;
  readonly mapper: Mapper;
}

/** Which runs: all, or one; and whether anything is written. */
export interface RemapRequest {
  readonly runId: string | null;
  readonly dryRun: boolean;
}

/** What became of one run. */
export type Remapped =
  | {
      readonly kind: 'remapped';
      readonly runId: string;
      /** The new revision. */
      readonly revision: number;
      /** Members of the RUN leaf that say something else now, `map` aside. */
      readonly changed: readonly string[];
    }
  | { readonly kind: 'left'; readonly runId: string; readonly why: string };

/**
 * Maps the bodies of sealed runs again whose newest revision was made with another version of the mapping, and appends a revision with what they say
 * now. STEP leaves and rows stay as they are; so do whose a step is, people, resources and what was asserted. Run by run, so that it can be stopped
 * and started again at any time: a run that was done names the new version.
 */
export async function* remapRuns(
  deps: RemapDeps,
  tenantId: string,
  { runId, dryRun }: RemapRequest,
): AsyncGenerator<Remapped> {
  const log = await lookUp(deps.db, tenantId, async (tx) => (await readOpenSizes(tx, tenantId)).get('llm-runs')?.log);
  if (log === undefined) return;
  for (let after = ''; ; ) {
    const from = after;
    const runs = await lookUp(deps.db, tenantId, (tx) =>
      runId === null
        ? readSealedRuns(tx, tenantId, log, { after: from, limit: RUNS_AT_ONCE })
        : findRuns(tx, tenantId, log, [runId]),
    );
    if (runId !== null && runs.length === 0) yield { kind: 'left', runId, why: 'there is no such run' };
    for (const run of runs) {
      const leaf = membersOf(run.leaf);
      if (run.revision === 0 || leaf.superseded_by !== undefined || isCurrent(deps.mapper, leaf)) continue;
      yield await remap(deps, { tenantId, log, run, leaf, dryRun });
    }
    after = runs.at(-1)?.runId ?? '';
    if (runId !== null || runs.length < RUNS_AT_ONCE) return;
  }
}

type Members = Readonly<Record<string, JsonValue>>;

interface OneRun {
  readonly tenantId: string;
  readonly log: string;
  readonly run: KnownRun;
  /** What its newest revision says. */
  readonly leaf: Members;
  readonly dryRun: boolean;
}

async function remap(deps: RemapDeps, one: OneRun): Promise<Remapped> {
  const { tenantId, run, leaf, dryRun } = one;
  const { runId } = run;
  const left = (why: string): Remapped => ({ kind: 'left', runId, why });
  if (count(leaf.steps) > MAX_STEPS) return left(`it has more than ${MAX_STEPS} steps`);
  const found = await stepsOf(deps, one);
  const steps: SealedStep[] = [];
  for (let from = 0; from < found.steps.length; from += STEPS_AT_ONCE) {
    const again = await mapAgain(deps, one, found.steps.slice(from, from + STEPS_AT_ONCE));
    if (typeof again === 'string') return left(again);
    steps.push(...again);
  }
  const fold = createFold();
  for (const step of steps) fold.add(step);
  for (let i = 0; i < found.conflicts; i++) fold.addConflict();
  if (fold.isEmpty()) return left('its steps are gone');
  const sizes = await sizesOf(deps, one);
  await foldEvents(deps, one, fold, { ...found, sizes });
  const draft = runLeaf({ ...placeOf(deps, one), sizes, summary: await summarise(deps, one, fold, found.roots) });
  const changed = changedMembers(leaf, membersOf(draft.leaf), OF_EVERY_REVISION);
  const revision = run.revision + 1;
  if (!dryRun) {
    const [appended] = await deps.append(tenantId, [draft]);
    if (appended?.outcome !== 'stored') return left('it was sealed again meanwhile');
    await wake(deps, one, [{ index: appended.index, conversation: conversationOf(draft.leaf) }]);
  }
  return { kind: 'remapped', runId, revision, changed };
}

/** That it waits may be what the mapping did not know when its conversation went on. */
async function summarise({ db }: RemapDeps, one: OneRun, fold: Fold, roots: ReadonlySet<string>): Promise<RunSummary> {
  const { run, leaf } = one;
  const summary = fold.finish({ runId: run.runId, roots, resumption: resumptionOf(leaf) });
  const resumption = summary.waitingFor === null ? null : await findResumption(db, one, run, summary);
  return resumption === null ? summary : fold.finish({ runId: run.runId, roots, resumption });
}

/** What `audit` says of it, below the sizes that its new revision names. */
async function foldEvents(
  { db }: RemapDeps,
  { tenantId, log, run, leaf }: OneRun,
  fold: Fold,
  of: { readonly traces: readonly TraceOfRun[]; readonly gatherer: Gatherer; readonly sizes: Sizes },
): Promise<void> {
  const { traces, sizes } = of;
  const { runsOfSpans } = of.gatherer;
  const logs = await lookUp(db, tenantId, (tx) => readAuditLogs(tx, tenantId));
  const audit = logs.map((at) => ({ log: at.log, size: sizes[at.log] ?? 0 }));
  const finder = createEventFinder({ ask: (look) => lookUp(db, tenantId, look), tenantId, log, audit });
  await finder.load(
    [run.runId],
    traces.map(({ traceId }) => traceId),
  );
  const [stepsBelow, membersBelow] = [sizes['llm-runs'] ?? 0, membersBelowOf(run, leaf)];
  for await (const events of finder.of({ runId: run.runId, traces, stepsBelow, membersBelow, audit, runsOfSpans }))
    for (const event of events) fold.addEvent(event);
}

/** The steps that its newest revision was made of: below its own sizes, whatever came since. */
async function stepsOf({ db }: RemapDeps, { tenantId, log, run, leaf }: OneRun) {
  const below = stepsBelowOf(leaf);
  const membersBelow = membersBelowOf(run, leaf);
  const traces = await lookUp(db, tenantId, async (tx) => {
    const ids = (await readTracesOfRuns(tx, tenantId, log, { runIds: [run.runId], below: membersBelow })).map(
      ({ traceId }) => traceId,
    );
    const members = await readMembersOfTraces(tx, tenantId, log, { traceIds: ids, below: membersBelow });
    return ids.map((traceId): TraceOfRun => ({ traceId, members: members.filter((m) => m.traceId === traceId) }));
  });
  const steps: SealedStep[] = [];
  let conflicts = 0;
  const collect: StepFold = {
    add: (step) => void steps.push(step),
    addConflict: () => void conflicts++,
  };
  const gatherer = createGatherer({ db, tenantId, log, below });
  await gatherer.load(traces.length > TRACES_AT_ONCE ? [] : traces.map(({ traceId }) => traceId));
  await gatherer.fold(collect, run.runId, traces);
  const roots = traces.flatMap(({ traceId, members }) =>
    members.flatMap((member) => (member.runId === run.runId ? member.roots.map((root) => traceId + root) : [])),
  );
  return { steps, conflicts, roots: new Set(roots), traces, gatherer };
}

/** The steps as the mapping reads their bodies now, or why it cannot. */
async function mapAgain(
  deps: RemapDeps,
  { tenantId, log }: OneRun,
  steps: readonly SealedStep[],
): Promise<SealedStep[] | string> {
  const indexes = steps.map(({ index }) => index);
  const { stored, bodies } = await lookUp(deps.db, tenantId, async (tx) => ({
    stored: new Map((await readStepsAt(tx, tenantId, log, indexes)).map((step) => [step.index, step])),
    bodies: await readBodies(tx, tenantId, log, indexes),
  }));
  const keys = await openKeys(deps, tenantId, [...new Set([...stored.values()].flatMap(({ dk }) => dk ?? []))]);
  const again: SealedStep[] = [];
  for (const step of steps) {
    const of = stored.get(step.index);
    const key = keys.get(of?.dk ?? '');
    const body = bodies.get(step.index);
    if (of === undefined || key === undefined || body === undefined)
      return `the body of step ${step.spanId} is not there any more`;
    const leaf = membersOf(of.leaf);
    const span = bodyOf(of, { key, body, leaf, origin: deps.originOf(tenantId, log) });
    if (span === null) return `the body of step ${step.spanId} is not what its leaf committed to`;
    const { fields } = mapSpan(deps.mapper, readSpan(span), NO_RESOURCE, false);
    again.push(
      readStep({
        ...of,
        recordedAt: step.recordedAt,
        leaf: Buffer.from(JSON.stringify(merged(deps.mapper, leaf, fields))),
      }),
    );
  }
  return again;
}

async function openKeys(
  deps: RemapDeps,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DataKey>> {
  try {
    return await deps.dataKeys.open(tenantId, ids);
  } catch (error) {
    if (error instanceof KeyRefused) return new Map();
    throw error;
  }
}

function bodyOf(
  stored: StoredStep,
  {
    key,
    body,
    leaf,
    origin,
  }: { readonly key: DataKey; readonly body: Uint8Array; readonly leaf: Members; readonly origin: string },
): Uint8Array | null {
  const c = (leaf.c as { readonly body?: { readonly pc: string; readonly ch: string; readonly n: number } } | undefined)
    ?.body;
  if (c === undefined) return null;
  const read = openBody(key, { origin, eventKey: stored.eventKey, path: 'body' }, { body, pc: c.pc, ch: c.ch, n: c.n });
  return read.kind === 'open' ? read.value : null;
}

/** Names of the process stay as they were read when it was there. */
const NO_RESOURCE = readResource(new Uint8Array());

/** What a leaf says of its span by the mapping. The rest of it was said by the resource, the key, the redaction or Sworn. */
const BY_THE_MAPPING: readonly (keyof StepFields)[] = [
  'step_kind',
  'marks',
  'provider',
  'model',
  'request_model',
  'response_id',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
  'priced_nano_usd',
  'price_book',
  'finish_reasons',
  'error_type',
  'tool',
  'agent_id',
  'parent_agent_id',
  'conversation_id',
  'worker',
  'retry_count',
];

/** What a price is of. */
const PRICED: readonly (keyof StepFields)[] = [
  'provider',
  'model',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cache_write_tokens',
];

/** A call that is what it was keeps the price that it had. */
function merged({ mapping }: Mapper, leaf: Members, fields: StepFields): Members {
  const said = fields as unknown as Members;
  const isSameCall = leaf.price_book !== undefined && PRICED.every((name) => leaf[name] === said[name]);
  const taken = BY_THE_MAPPING.filter((name) => !(isSameCall && (name === 'priced_nano_usd' || name === 'price_book')));
  const rest = Object.entries(leaf).filter(
    ([name]) => name !== 'map_edit' && !taken.includes(name as keyof StepFields),
  );
  const now = taken.flatMap((name) => (said[name] === undefined ? [] : [[name, said[name]] as const]));
  return Object.fromEntries([...rest, ...now, ...Object.entries(mapping.version)]) as Members;
}

function isCurrent({ mapping }: Mapper, leaf: Members): boolean {
  return leaf.map === mapping.version.map;
}

function placeOf({ originOf }: RemapDeps, { tenantId, log, run, leaf }: OneRun) {
  const { runId, traceId, runIndex, runOccurredAt } = run;
  return {
    origin: originOf(tenantId, log),
    runId,
    traceId,
    revision: run.revision + 1,
    runIndex,
    runOccurredAt,
    membersBelow: membersBelowOf(run, leaf),
    synthetic: leaf.is_synthetic === true,
  };
}

type Sizes = Readonly<Record<string, number>>;

/**
 * The sizes that its newest revision names. One of before the sealer followed `audit` heeds nothing of that: the new one heeds what was followed by
 * now.
 */
async function sizesOf({ db }: RemapDeps, { tenantId, leaf }: OneRun): Promise<Sizes> {
  const sizes = (leaf.sizes ?? {}) as Sizes;
  if (leaf.events !== undefined) return sizes;
  const logs = await lookUp(db, tenantId, (tx) => readAuditLogs(tx, tenantId));
  return { ...sizes, ...Object.fromEntries(logs.map(({ log, followed }) => [log, followed])) };
}

const stepsBelowOf = (leaf: Members): number => count(((leaf.sizes ?? {}) as Members)['llm-runs']);

function membersBelowOf(run: KnownRun, leaf: Members): number {
  return typeof leaf.members_below === 'number' ? leaf.members_below : run.index;
}

/** What took the run up, where that is known already. */
function resumptionOf(leaf: Members): { runId: string; rejected: boolean } | null {
  if (typeof leaf.resumed_by !== 'string') return null;
  return { runId: leaf.resumed_by, rejected: leaf.execution_status === 'ABORTED' };
}

/** What every revision has anew. */
const OF_EVERY_REVISION = new Set(['r', 'event_key', 'recorded_at', 'revision', 'map']);

function membersOf(leaf: Uint8Array): Members {
  return JSON.parse(Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength).toString('utf8')) as Members;
}

function count(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
