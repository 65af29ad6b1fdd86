import type { StepKind } from '@sworn/evidence';
import { type Attributes, jsonText } from '../attributes.js';
import type { Mapping, Mark } from './tables.js';

/** Inputs longer than this are not looked into. */
const MAX_INPUT_LENGTH = 262_144;

/** Lists and objects that one input is looked through for, and how deep; JSON text in JSON text counts as one level. */
const MAX_VISITED = 2_000;
const MAX_DEPTH = 12;

/** In the order in which they stand in a leaf. */
const DECISIONS: readonly Mark[] = ['approved', 'edited', 'rejected'];

/**
 * What a human decided, as far as the input of a span says so: a LangGraph `resume`, or the approvals in the newest message of a
 * conversation. Not of a model call or a tool: what they are given repeats the whole past.
 */
export function decisionsOf(mapping: Mapping, attributes: Attributes, kind: StepKind): Mark[] {
  const said = decisionsSaid(mapping, attributes, kind);
  return said.size === 0 ? [] : DECISIONS.filter((mark) => said.has(mark));
}

/** The same, each with the sender's word for it, the first that was said. */
export function decisionsSaid(mapping: Mapping, attributes: Attributes, kind: StepKind): ReadonlyMap<Mark, string> {
  const found = new Map<Mark, string>();
  if (kind === 'LLM' || kind === 'EMBEDDING' || kind === 'TOOL') return found;
  const add = (words: readonly unknown[]) => {
    for (const word of words) {
      const mark = typeof word === 'string' ? mapping.decision_words.get(word.toLowerCase()) : undefined;
      if (mark !== undefined && !found.has(mark)) found.set(mark, String(word));
    }
  };
  for (const key of mapping.resume_inputs) {
    if (attributes.mentions(key, '"resume'))
      walk(inputOf(attributes, key), (holder) => add(resumeWords(holder.resume)));
  }
  for (const key of mapping.approval_inputs) {
    if (attributes.mentions(key, APPROVAL)) {
      walk(newestMessage(inputOf(attributes, key)), (holder) => add(approvalWords(holder)));
    }
  }
  return found;
}

const APPROVAL = 'tool-approval-response';

type Holder = Readonly<Record<string, unknown>>;

function inputOf(attributes: Attributes, key: string): unknown {
  const value = attributes.get(key);
  return typeof value === 'string' || value === undefined ? parsed(value) : parsed(jsonText(value));
}

/** Calls `visit` with each object inside, JSON texts opened. Bounded: a sender chooses the shape. */
function walk(value: unknown, visit: (holder: Holder) => void): void {
  const stack: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let visited = 0; visited < MAX_VISITED; visited++) {
    const next = stack.pop();
    if (next === undefined) return;
    const opened = typeof next.value === 'string' ? parsed(next.value) : next.value;
    if (typeof opened !== 'object' || opened === null || next.depth > MAX_DEPTH) continue;
    if (!Array.isArray(opened)) visit(ownMembers(opened));
    for (const inner of Object.values(opened)) stack.push({ value: inner, depth: next.depth + 1 });
  }
}

/** `{decisions: [{type}]}`, a list of `{type}`, or such a thing an interrupt id. */
function resumeWords(resume: unknown): readonly unknown[] {
  if (typeof resume !== 'object' || resume === null) return [];
  const answers = Array.isArray(resume) ? resume : [resume, ...Object.values(resume)];
  return answers.flatMap((answer: unknown) => {
    if (typeof answer !== 'object' || answer === null) return [];
    const { decisions, type } = ownMembers(answer);
    return Array.isArray(decisions) ? decisions.slice(0, MAX_VISITED).map(typeOf) : [type];
  });
}

function typeOf(decision: unknown): unknown {
  return typeof decision === 'object' && decision !== null ? ownMembers(decision).type : undefined;
}

function approvalWords({ type, approved }: Holder): readonly string[] {
  return type === APPROVAL && typeof approved === 'boolean' ? [approved ? 'approved' : 'rejected'] : [];
}

function newestMessage(input: unknown): unknown {
  const messages = Array.isArray(input)
    ? input
    : typeof input === 'object' && input !== null
      ? ownMembers(input).messages
      : [];
  const list = typeof messages === 'string' ? parsed(messages) : messages;
  return Array.isArray(list) ? list.at(-1) : undefined;
}

/** Without what a prototype would add: the sender chooses the names. */
function ownMembers(object: object): Holder {
  return Object.assign(Object.create(null) as Record<string, unknown>, object);
}

function parsed(text: string | undefined): unknown {
  if (text === undefined || text.length > MAX_INPUT_LENGTH || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
