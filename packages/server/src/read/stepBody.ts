import { createHmac } from 'node:crypto';
import { type ContentState, type Finding, MAX_IO_BYTES, type StepContent as ShownContent } from '@sworn/contract';
import { type Content, stepContent } from '../otlp/map/content.js';
import type { Mapping, StepKind } from '../otlp/map/tables.js';
import { hasFailed } from '../otlp/map/run.js';
import { readSpan, type SpanView } from '../otlp/span.js';
import { type DataKey, openBody } from '../record/body.js';
import { KeyRefused } from '../record/keyFile.js';
import type { StoredStep } from '../store/steps.js';
import type { Members } from './members.js';
import type { ReadDeps } from './reading.js';

/** A step that passed its check. */
export interface SoundStep {
  readonly stored: StoredStep;
  readonly members: Members;
}

/** What the body of a step says, or that it is not what its leaf committed to. */
export type StepBody =
  | {
      readonly kind: 'open';
      readonly name: string;
      readonly input: Content | null;
      readonly output: Content | null;
      readonly error: string | null;
      readonly state: ContentState;
    }
  | { readonly kind: 'compromised'; readonly finding: Finding };

/** Longest error message shown; the whole stays in the body. */
const MAX_ERROR = 1_024;

/**
 * Opens the bodies of steps and reads them as spans, by leaf index. Check V8 on each. To be called outside any transaction: it asks for the
 * keys with a connection of its own, and readers that wait for a second one while they hold a first wait for each other.
 */
export async function openSteps(
  deps: ReadDeps,
  tenantId: string,
  steps: readonly SoundStep[],
  bodies: ReadonlyMap<number, Uint8Array>,
): Promise<ReadonlyMap<number, StepBody>> {
  const [first] = steps;
  if (first === undefined) return new Map();
  const { log } = first.stored;
  const keys = await openKeys(deps, tenantId, [...new Set(steps.flatMap((s) => s.stored.dk ?? []))]);
  const origin = deps.originOf(tenantId, log);
  const opened = new Map<number, StepBody>();
  for (const { stored, members } of steps) {
    const body = bodies.get(stored.index);
    const key = keys.get(stored.dk ?? '');
    // Nothing erases bodies yet, so no ERASURE leaf can name one: what is gone was taken away by hand.
    if (body === undefined || key === undefined) {
      const detail = body === undefined ? 'the body is gone' : 'the key of the body is gone, or another';
      opened.set(stored.index, compromised(stored, 'V5', 'BODY_MISSING_UNAUTHORISED', detail));
      continue;
    }
    const said = members.object('c').object('body');
    const commitment = { pc: said.text('pc') ?? '', ch: said.text('ch') ?? '', n: said.count('n') ?? 0 };
    const read = openBody(key, { origin, eventKey: stored.eventKey, path: 'body' }, { body, ...commitment });
    opened.set(
      stored.index,
      read.kind === 'open'
        ? readBody(deps.mapping, read.value, members)
        : compromised(stored, 'V8', 'BODY_MISMATCH', `the body does not agree with its leaf: ${read.check}`),
    );
  }
  return opened;
}

function readBody(mapping: Mapping, value: Uint8Array, members: Members): StepBody {
  const span = readSpan(value);
  const { name, input, output } = stepContent(mapping, span, (members.text('step_kind') ?? 'OTHER') as StepKind);
  const state = members.objects('redacted').length > 0 ? 'REDACTED' : 'FULL';
  const status = span.status.code === 2 ? 'ERROR' : 'UNSET';
  const error = hasFailed({ status, marks: members.texts('marks') }) ? errorOf(span) : null;
  return { kind: 'open', name, input, output, error, state };
}

/** What a failed span says of its failure, by the first place that says anything. */
function errorOf(span: SpanView): string | null {
  const exception = span.events.find(({ name }) => name === 'exception')?.attributes;
  const message =
    span.status.message ||
    (span.attributes.text('langfuse.observation.status_message') ??
      exception?.text('exception.message') ??
      exception?.text('exception.type'));
  return message?.slice(0, MAX_ERROR) ?? null;
}

function compromised(stored: StoredStep, check: Finding['check'], code: Finding['code'], detail: string): StepBody {
  return { kind: 'compromised', finding: { check, code, log: stored.log, leaf_index: stored.index, detail } };
}

/** The keys of these ids. One that does not unwrap was swapped or lost: the others still open. */
async function openKeys(
  deps: ReadDeps,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DataKey>> {
  try {
    return await deps.dataKeys.open(tenantId, ids);
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error;
    if (ids.length === 1) return new Map();
    const one = await Promise.all(ids.map((id) => openKeys(deps, tenantId, [id])));
    return new Map(one.flatMap((keys) => [...keys]));
  }
}

/** Content hash as answers give it: keyed per tenant, so that nobody can try guesses against it. Null for no content. */
export function contentHash(key: Uint8Array, content: Content | null): string | null {
  return content === null
    ? null
    : `hmac-sha256:${createHmac('sha256', key).update(content.text, 'utf8').digest('hex')}`;
}

/** Content as `fields=io` shows it: its first 64 KiB, cut at a character. */
export function shownContent(key: Uint8Array, content: Content | null): ShownContent | null {
  if (content === null) return null;
  const whole = Buffer.from(content.text, 'utf8');
  const truncated = whole.length > MAX_IO_BYTES;
  return {
    text: truncated ? whole.subarray(0, characterEnd(whole, MAX_IO_BYTES)).toString('utf8') : content.text,
    mime_type: content.mime,
    bytes: whole.length,
    truncated,
    hash: contentHash(key, content),
  };
}

/** The last end of a UTF-8 character at or before `at`. */
function characterEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}
