import { hasFailed, type Members, type StepKind } from '@sworn/evidence';
import { createHmac } from 'node:crypto';
import { type ContentState, type Finding, MAX_IO_BYTES, type StepContent as ShownContent } from '@sworn/contract';
import { type Content, stepContent } from '../otlp/map/content.js';
import type { Mapping } from '../otlp/map/tables.js';
import { readSpan, type SpanView } from '../otlp/span.js';
import type { StoredStep } from '../store/steps.js';
import type { ReadDeps } from './reading.js';
import { openBodies } from './recordBody.js';

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
 * Opens the bodies of steps and reads them as spans, by leaf index, each held against its leaf. To be called outside any transaction,
 * as `openBodies`.
 */
export async function openSteps(
  deps: ReadDeps,
  tenantId: string,
  steps: readonly SoundStep[],
  bodies: ReadonlyMap<number, Uint8Array>,
): Promise<ReadonlyMap<number, StepBody>> {
  const opened = await openBodies(deps, tenantId, steps, bodies);
  const membersAt = new Map(steps.map(({ stored, members }) => [stored.index, members]));
  const read = new Map<number, StepBody>();
  for (const [index, body] of opened) {
    const members = membersAt.get(index);
    if (members !== undefined)
      read.set(index, body.kind === 'open' ? readBody(deps.mapping, body.value, members) : body);
  }
  return read;
}

/** Reads a body that was opened. */
export function readBody(mapping: Mapping, value: Uint8Array, members: Members): Extract<StepBody, { kind: 'open' }> {
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
