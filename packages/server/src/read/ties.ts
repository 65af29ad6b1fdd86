import { hex, type Members, timeOf } from '@sworn/evidence';
import { SIGNALS } from '../otlp/map/producerRules.js';
import type { Tie, TieLane } from '../store/associations.js';
import type { Tx } from '../store/database.js';
import { readResources } from '../store/resources.js';
import { checkBytes } from './check.js';
import { ownsTrace } from './membership.js';
import type { ReadDeps } from './reading.js';
import type { Skeleton } from './runOrder.js';
import { compromisedRecord, type PinnedRun } from './settled.js';
import { isOwn } from './systemItem.js';

/** Traces of one run by which records are looked for; of more, which no agent turn has, the first. */
const MAX_TIED_TRACES = 4_096;

/** When a run ran, half open; `before` null: it runs still. Null: no step of it has a time. */
export interface Life {
  readonly from: string;
  readonly before: string | null;
}

/** What ties records of `system` to a run. */
export interface RunTies {
  readonly life: Life | null;
  /** The ranges that have them, CORRELATED ones first. */
  readonly lanes: readonly TieLane[];
  /** Whether a record that a lane found is the run's: of a trace that several runs share, only what their own spans logged. */
  readonly isOf: (tie: Tie, record: Members) => boolean;
  /** Traces by which nothing was looked for. */
  readonly tracesLeftOut: number;
}

/**
 * CORRELATED is a record that names the run, one of its traces, or its asserted correlation id, whenever it was; CO_LOCATED one of an instance that
 * steps of the run ran on, else of their host, while it ran; so is what Sworn says of a silence of their services.
 * @throws Refusal `evidence_compromised` when the RESOURCE record that says the host is not what it was.
 */
export async function tiesOf(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, skeleton }: { readonly run: PinnedRun; readonly skeleton: Skeleton },
): Promise<RunTies> {
  const { runId, membership, newest } = run;
  const traces = membership.traces.slice(0, MAX_TIED_TRACES);
  const correlationId = newest.members.text('correlation_id');
  const always = { from: null, before: null };
  const lanes: TieLane[] = [
    { tie: 'TRACE', values: traces, ...always },
    { tie: 'RUN', values: [runId], ...always },
    { tie: 'CORRELATION', values: correlationId === null ? [] : [correlationId], ...always },
  ];
  const life = lifeOf(run, skeleton);
  const isOfTrace = ofTraces(run, skeleton);
  if (life !== null) {
    const { instances } = skeleton;
    const hosts = await hostsOf(deps, tx, tenantId, skeleton.resources);
    lanes.push(
      {
        tie: 'INSTANCE',
        values: instances.map(({ instance }) => instance),
        services: instances.map(({ service }) => service),
        ...life,
      },
      { tie: 'HOST', values: hosts, ...life },
      { tie: 'SERVICE', ...signalsOf(servicesOf(run, skeleton)), ...life },
    );
  }
  return {
    life,
    lanes: lanes.filter(({ values }) => values.length > 0),
    isOf: (tie, record) => (tie === 'SERVICE' ? isOwn(record) : isOfTrace(tie, record)),
    tracesLeftOut: membership.traces.length - traces.length,
  };
}

/** Each signal of each service. */
function signalsOf(services: readonly string[]): Pick<TieLane, 'values' | 'services'> {
  const pairs = services.flatMap((service) => SIGNALS.map((signal) => ({ service, signal })));
  return { values: pairs.map(({ signal }) => signal), services: pairs.map(({ service }) => service) };
}

/** Of its steps that say on which instance they ran, and as it says itself. */
function servicesOf({ newest }: PinnedRun, { instances }: Skeleton): readonly string[] {
  const services = [newest.members.text('service'), ...instances.map(({ service }) => service)];
  return [...new Set(services.filter((service) => service !== null))];
}

/** As its newest RUN leaf says; one that was never sealed began with its first step. */
export function lifeOf({ newest: { stored, members: m } }: PinnedRun, { startedUs }: Skeleton): Life | null {
  const from = m.text('started_at');
  if (stored.kind === 'RUN' && from !== null) return { from, before: m.text('completed_at') };
  const first = startedUs.reduce((least, at) => (at > 0 && at < least ? at : least), Number.POSITIVE_INFINITY);
  return Number.isFinite(first) ? { from: timeOf(BigInt(first) * 1000n), before: null } : null;
}

/** A span id tells a span apart only within its trace; that another trace of the same run has one of the same id is taken for no difference. */
function ofTraces({ runId, membership, bound }: PinnedRun, { span }: Skeleton): RunTies['isOf'] {
  let spans: Set<bigint> | null = null;
  return (tie, record) => {
    const traceId = record.text('trace_id');
    if (tie !== 'TRACE' || traceId === null) return tie !== 'TRACE';
    if (membership.membersOf(traceId).every((member) => member.runId === runId)) return true;
    const spanId = record.text('span_id');
    if (spanId === null) return ownsTrace(membership, { runId, traceId, below: bound });
    spans ??= new Set(span);
    return spans.has(BigInt(`0x${spanId}`));
  };
}

async function hostsOf(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  resources: readonly string[],
): Promise<readonly string[]> {
  if (resources.length === 0) return [];
  const hosts = new Set<string>();
  for (const stored of await readResources(tx, tenantId, resources)) {
    const checked = checkBytes(stored, deps.originOf(tenantId, stored.log));
    if (checked.kind === 'compromised') throw compromisedRecord(checked.finding, stored.leaf);
    const host = resources.includes(hex(stored.leafHash)) ? checked.members.text('host_id') : null;
    if (host !== null) hosts.add(host);
  }
  return [...hosts];
}
