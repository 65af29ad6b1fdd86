import type { AttributionItem } from '@sworn/contract';
import {
  askedWords,
  attribute,
  type Attribution,
  type AttributionRule,
  type RunFacts,
} from '../otlp/map/attribution.js';
import type { SoundEntry } from './checkEntry.js';
import { checksumOf, runMetadata } from './metadata.js';
import type { RunEvidence } from './runEvidence.js';
import { idOf } from './runItem.js';
import type { Covered } from './tier.js';

type EvidenceRef = AttributionItem['evidence_refs'][number];

/** References of an item, and runs it is linked with, at most. */
const MAX_REFS = 32;
const MAX_LINKED = 16;

/** What a run's records point to. */
export interface Attributed {
  readonly rule: AttributionRule | null;
  readonly facts: RunFacts;
}

/** Evaluates the rules over what was recorded. `platform`: Sworn's own records. */
export function attributed(
  rules: Attribution,
  { run: { stored, members: m }, step, system }: RunEvidence,
  platform: readonly SoundEntry[],
): Attributed {
  const said = step?.kind === 'sound' ? step.members : null;
  const one = (word: string | null | undefined): readonly string[] => (word == null ? [] : [word]);
  const [from, until] = [m.text('started_at') ?? stored.occurredAt, stored.recordedAt];
  const meanwhile = platform.filter(({ stored: of }) => of.occurredAt >= from && of.occurredAt <= until);
  const facts: RunFacts = {
    status: one(m.text('execution_status')),
    termination_reason: one(m.text('termination_reason')),
    root_missing: m.flag('root_missing') === true ? ['yes'] : [],
    step_kind: one(said?.text('step_kind')),
    step_status: one(said?.text('status')),
    error_type: [...one(said?.text('error_type')), ...one(m.text('error_type'))],
    marks: said?.texts('marks') ?? [],
    system_event: system.map(({ stored: of }) => of.kind),
    platform_event: meanwhile.map(({ stored: of }) => of.kind),
  };
  return { rule: attribute(rules, facts), facts };
}

/** One run with who its records point to, and which records these are. */
export function attributionItem(
  tenantId: string,
  {
    evidence,
    platform,
    covered,
    version,
    attributed: { rule, facts },
  }: {
    readonly evidence: RunEvidence;
    readonly platform: readonly SoundEntry[];
    readonly covered: Covered | null;
    readonly version: number;
    readonly attributed: Attributed;
  },
): AttributionItem {
  const { run, step, system, conversation } = evidence;
  const { stored, members: m } = run;
  const runId = m.text('run_id') ?? '';
  const ofKinds = (
    kind: EvidenceRef['kind'],
    fact: 'system_event' | 'platform_event',
    records: readonly SoundEntry[],
  ) => {
    const kinds = rule === null ? [] : askedWords(rule, fact, facts[fact]);
    return records.filter(({ stored: of }) => kinds.includes(of.kind)).map(({ stored: of }) => refOf(kind, of));
  };
  const refs = [
    refOf('RUN', stored),
    ...(step?.kind === 'sound' ? [refOf('STEP', step.stored)] : []),
    ...ofKinds('SYSTEM', 'system_event', system),
    ...ofKinds('PLATFORM', 'platform_event', platform),
  ];
  const linked = [...new Set([m.text('resumed_by'), ...conversation])].filter((id) => id !== null && id !== runId);
  return {
    id: idOf(stored),
    run_id: runId,
    execution_status: m.text('execution_status') as AttributionItem['execution_status'],
    termination_reason: m.text('termination_reason'),
    error_type: facts.error_type.at(-1) ?? null,
    started_at: m.text('started_at') ?? stored.occurredAt,
    completed_at: m.text('completed_at'),
    party: rule?.party ?? 'UNKNOWN',
    confidence: rule?.confidence ?? 'NONE',
    rule: rule?.id ?? null,
    rule_version: version,
    evidence_refs: refs.slice(0, MAX_REFS),
    linked_runs: linked.flatMap((id) => id ?? []).slice(0, MAX_LINKED),
    metadata: runMetadata(tenantId, stored, m, covered),
  };
}

function refOf(
  kind: EvidenceRef['kind'],
  stored: { readonly log: string; readonly index: number; readonly leafHash: Uint8Array },
): EvidenceRef {
  return {
    kind,
    id: idOf(stored),
    log: kind === 'PLATFORM' ? `platform/${stored.log}` : stored.log,
    leaf_index: stored.index,
    checksum: checksumOf(stored.leafHash),
  };
}
