import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { equalBytes, hex, unhex } from '@sworn/evidence';
import { refuseWritableMemory } from '../record/keyFile.js';

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
  /** What was signed last for `origin`, by this process or another with the same journal; null when it was never signed. */
  load(origin: string): Signed | null;
  /** Every log that was ever signed. */
  origins(): readonly string[];
  /**
   * Durable when it returns: written and fsynced, all steps together. The caller holds the signer's lease, in the database: nobody else writes.
   * @throws Error when a step does not start from what is remembered, or would go back.
   */
  advance(steps: readonly Advance[]): void;
}

/** Lines after which the journal is written anew with one line a log: a few megabytes. */
const COMPACT_AFTER_LINES = 20_000;
const FILE = 'journal.ndjson';

/** The journal as it was last read. */
interface Read {
  readonly state: Map<string, Signed>;
  lines: number;
  /** Bytes of whole lines. What follows them is torn: it was never signed. */
  whole: number;
  /** Tells whether the file is another one since, or has grown. */
  version: string;
}

/**
 * Opens the journal in `dir`, made 0700. One JSON line a step. Looking only looks; a torn last line is cut off by the next step.
 * @throws Error when the journal holds a line that is none, or contradicts itself: no signature may rest on it; KeyRefused when others may write to it.
 */
export function openJournal(dir: string): SignerMemory {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  refuseWritableMemory(dir);
  const path = join(dir, FILE);
  if (versionOf(path) !== NONE) refuseWritableMemory(path);
  let read = readJournal(path);

  /** Another process may have written: one that had the lease before, or `sworn signer adopt`. */
  function refresh(): void {
    if (versionOf(path) !== read.version) read = readJournal(path);
  }

  return {
    load(origin) {
      refresh();
      return read.state.get(origin) ?? null;
    },
    origins() {
      refresh();
      return [...read.state.keys()];
    },
    advance(steps) {
      if (steps.length === 0) return;
      refresh();
      for (const { origin, from, to } of steps) {
        const held = read.state.get(origin) ?? null;
        if (!sameSigned(held, from)) throw new Error(`signer memory of ${origin} moved under the signer`);
        if (held !== null && to.size < held.size) throw new Error(`signer memory of ${origin} never goes back`);
      }
      append(path, read, steps);
      for (const { origin, to } of steps) read.state.set(origin, to);
      read.lines += steps.length;
      if (read.lines > COMPACT_AFTER_LINES) {
        writeAnew(path, [...read.state].map(lineOf).join(''));
        read = readJournal(path);
      }
    },
  };
}

function append(path: string, read: Read, steps: readonly Advance[]): void {
  const fd = openSync(path, 'a', 0o600);
  try {
    if (fstatSync(fd).size > read.whole) ftruncateSync(fd, read.whole);
    writeFileSync(fd, steps.map(({ origin, to }) => lineOf([origin, to])).join(''));
    fsyncSync(fd);
    if (read.version === NONE) syncDirectory(dirname(path));
    read.whole = fstatSync(fd).size;
    read.version = versionOf(path);
  } finally {
    closeSync(fd);
  }
}

const NONE = 'none';

function versionOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? NONE : `${stat.ino}/${stat.size}/${stat.mtimeNs}`;
}

function readJournal(path: string): Read {
  const version = versionOf(path);
  const state = new Map<string, Signed>();
  if (version === NONE) return { state, lines: 0, whole: 0, version };
  const text = readFileSync(path, 'latin1');
  const whole = text.lastIndexOf('\n') + 1;
  const lines = text.slice(0, whole).split('\n').slice(0, -1);
  for (const [i, line] of lines.entries()) {
    const next = parseLine(line);
    const held = next === null ? undefined : state.get(next.origin);
    if (next === null || (held !== undefined && !follows(held, next.to)))
      throw new Error(
        `${path}: line ${i + 1} is not what the signer wrote; restore it, or move it away and run sworn signer adopt`,
      );
    state.set(next.origin, next.to);
  }
  return { state, lines: lines.length, whole, version };
}

function lineOf([origin, { size, root }]: readonly [string, Signed]): string {
  return `${JSON.stringify({ origin, size, root: hex(root) })}\n`;
}

function parseLine(line: string): { readonly origin: string; readonly to: Signed } | null {
  const [, origin, size, root] =
    /^\{"origin":"([^"\\]{1,512})","size":(0|[1-9][0-9]{0,15}),"root":"([0-9a-f]{64})"\}$/.exec(line) ?? [];
  if (origin === undefined || root === undefined) return null;
  return { origin, to: { size: Number(size), root: unhex(root) } };
}

function writeAnew(path: string, text: string): void {
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
  return a === null || b === null ? a === b : a.size === b.size && equalBytes(a.root, b.root);
}

function follows(held: Signed, next: Signed): boolean {
  return next.size > held.size || sameSigned(held, next);
}
