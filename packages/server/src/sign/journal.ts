import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hex, unhex } from '@sworn/evidence';

/** What the signer signed last for a log. */
export interface Signed {
  readonly size: number;
  readonly root: Uint8Array;
}

/** One step of the signer's memory: from what it remembered to what it is about to sign. */
export interface Advance {
  readonly origin: string;
  /** Null: the log was unknown until now. */
  readonly from: Signed | null;
  readonly to: Signed;
}

/**
 * The signer's memory outside the database (INTEGRITY.md, "Checkpoints and the signer"): what it once signed it never contradicts,
 * whatever a restored or rewritten database says.
 */
export interface SignerMemory {
  /** What was signed last for `origin`, or null when this memory has never seen it. */
  load(origin: string): Signed | null;
  /**
   * Durable when it returns: written and fsynced, all steps together.
   * @throws Error when a step does not start from what is remembered, or would go back.
   */
  advance(steps: readonly Advance[]): void;
  /** Reads the memory again: another process (`sworn signer adopt`) may have written it. */
  reload(): void;
  close(): void;
}

/** Lines after which opening the journal rewrites it with one line a log. */
const COMPACT_AFTER_LINES = 20_000;
const FILE = 'journal.ndjson';

/** Opens (or begins) the journal in `dir`, made 0700. One JSON line a step; a torn last line was never signed and is cut off. */
export function openJournal(dir: string): SignerMemory {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, FILE);
  let { state, lines } = readJournal(path);
  if (lines > COMPACT_AFTER_LINES) rewrite(path, state);
  let fd = openSync(path, 'a', 0o600);
  syncDirectory(dir);
  return {
    load: (origin) => state.get(origin) ?? null,
    advance(steps) {
      for (const { origin, from, to } of steps) {
        const held = state.get(origin) ?? null;
        if (!sameSigned(held, from)) throw new Error(`signer memory of ${origin} moved under the signer`);
        if (held !== null && to.size < held.size) throw new Error(`signer memory of ${origin} never goes back`);
      }
      const text = steps
        .map(({ origin, to }) => `${JSON.stringify({ origin, size: to.size, root: hex(to.root) })}\n`)
        .join('');
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
      for (const { origin, to } of steps) state.set(origin, to);
    },
    reload() {
      closeSync(fd);
      ({ state, lines } = readJournal(path));
      fd = openSync(path, 'a', 0o600);
    },
    close: () => closeSync(fd),
  };
}

function readJournal(path: string): { state: Map<string, Signed>; lines: number } {
  const state = new Map<string, Signed>();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { state, lines: 0 };
    throw error;
  }
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  if (whole.length < text.length) rewriteText(path, whole);
  const lines = whole.split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const { origin, size, root } = JSON.parse(line) as { origin: string; size: number; root: string };
    state.set(origin, { size, root: unhex(root) });
  }
  return { state, lines: lines.length };
}

function rewrite(path: string, state: ReadonlyMap<string, Signed>): void {
  rewriteText(
    path,
    [...state].map(([origin, s]) => `${JSON.stringify({ origin, size: s.size, root: hex(s.root) })}\n`).join(''),
  );
}

function rewriteText(path: string, text: string): void {
  const next = `${path}.next`;
  const fd = openSync(next, 'w', 0o600);
  writeFileSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(next, path);
  syncDirectory(dirname(path));
}

function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function sameSigned(a: Signed | null, b: Signed | null): boolean {
  return a === null || b === null ? a === b : a.size === b.size && hex(a.root) === hex(b.root);
}
