import type { Directory } from '../record/directory.js';
import type { Answer } from './questions.js';

/** A token of ours, whole. */
const TOKEN = /^tok_[0-9a-f]{32}$/;
/** Tokens looked up at once. */
const LOOKED_UP_AT_ONCE = 1_000;

/** What the tokens of an answer stand for. Null: erased, or of a value that was never entered. */
export type Clear = Readonly<Record<string, string | null>>;

/** Looks up every token that stands in an answer, in the order in which they stand there. */
export async function clearOf(directory: Directory, tenantId: string, answer: Answer): Promise<Clear> {
  const tokens = [...collectTokens(answer, new Set())];
  const clear: Record<string, string | null> = {};
  for (let from = 0; from < tokens.length; from += LOOKED_UP_AT_ONCE) {
    const some = tokens.slice(from, from + LOOKED_UP_AT_ONCE);
    const values = await directory.look(tenantId, some);
    for (const token of some) clear[token] = values.get(token) ?? null;
  }
  return clear;
}

function collectTokens(value: unknown, into: Set<string>): Set<string> {
  if (typeof value === 'string') {
    if (TOKEN.test(value)) into.add(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) collectTokens(member, into);
  }
  return into;
}
