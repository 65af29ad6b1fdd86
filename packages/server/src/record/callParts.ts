import type { LeafDraft } from './draft.js';
import { hexOf } from './numbering.js';

/** Some of a call's drafts, with their places among all of them. */
export interface CallPart {
  readonly drafts: readonly LeafDraft[];
  readonly ordinals: readonly number[];
}

/**
 * Takes a call apart into what one transaction stores: while the leaves of a hundred thousand spans are hashed at once everybody waits, and the database
 * gives up on the transaction. A part has at most `size` drafts, but for what the last of them brings along: what a draft names, and what was read
 * from it, stand in its part. What several parts name stands in each of them, and is a duplicate from the second on.
 */
export function partsOf(drafts: readonly LeafDraft[], size: number): readonly CallPart[] {
  if (drafts.length <= size) return [{ drafts, ordinals: [...drafts.keys()] }];
  const { named, readFrom } = ties(drafts);
  const parts: CallPart[] = [];
  let part = new Set<number>();
  const end = (): void => {
    if (part.size > 0) parts.push(partOf(drafts, part));
    part = new Set();
  };
  drafts.forEach((draft, ordinal) => {
    if (draft.source !== undefined) return;
    const copy = copyName(hexOf(draft.eventKey), draft);
    const group = [
      ...draft.places.flatMap((place) => named.get(place.eventKey) ?? []),
      ordinal,
      ...(readFrom.get(copy) ?? []),
    ];
    // Of equal copies the first brings it along.
    readFrom.delete(copy);
    if (part.size + group.filter((one) => !part.has(one)).length > size) end();
    for (const one of group) part.add(one);
  });
  end();
  return parts;
}

/** Drafts that others name, by event key; drafts that were read from another, by what that one is. */
function ties(drafts: readonly LeafDraft[]) {
  const names = new Set(drafts.flatMap((draft) => draft.places.map((place) => place.eventKey)));
  const named = new Map<string, number>();
  const readFrom = new Map<string, number[]>();
  drafts.forEach((draft, ordinal) => {
    if (draft.source === undefined) {
      const key = hexOf(draft.eventKey);
      if (names.has(key) && !named.has(key)) named.set(key, ordinal);
      return;
    }
    const copy = copyName(draft.source, draft);
    const others = readFrom.get(copy);
    if (others === undefined) readFrom.set(copy, [ordinal]);
    else others.push(ordinal);
  });
  return { named, readFrom };
}

/** Two copies of one step that say different things have one key, and what was read from each goes with it. */
function copyName(key: string, { digest }: LeafDraft): string {
  return `${key} ${hexOf(digest)}`;
}

function partOf(drafts: readonly LeafDraft[], some: ReadonlySet<number>): CallPart {
  const ordinals = [...some].sort((a, b) => a - b);
  return { drafts: ordinals.map((ordinal) => drafts[ordinal] as LeafDraft), ordinals };
}
