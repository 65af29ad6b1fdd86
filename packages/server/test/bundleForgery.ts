import { generateKeyPairSync, sign } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  archiveEnd,
  archiveHeader,
  checkpointBody,
  decodeLeaf,
  formatNote,
  formatTlogProof,
  hex,
  inclusionProof,
  leafHash,
  parseRange,
  parseRunLeaves,
  parseStatement,
  type PinnedRecords,
  rangeText,
  type ReadNode,
  type RecordFile,
  readRunRecords,
  recordsOfRun,
  rootsOf,
  type RunRecords,
  runFiles,
  sha256,
  type Statement,
  statementText,
  subtreesBeside,
  treeHash,
  vkeyOf,
} from '@sworn/evidence';
import { bytesSource, openArchive } from '@sworn/verifier';

/** The files of a bundle, to do with as one likes. */
export type Files = Map<string, Buffer>;

/** A key that signs, honest or not. */
export interface Key {
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** A leaf, and where it stands. */
export type PlacedLeaf = readonly [index: number, bytes: Uint8Array];

export async function filesOf(bundle: Uint8Array): Promise<Files> {
  const { entries } = await openArchive(bytesSource(bundle));
  const files: Files = new Map();
  for (const entry of entries) files.set(entry.name, Buffer.from(await entry.read(0, entry.size)));
  return files;
}

/** An archive of the profile: all that is wrong with it is in its files. */
export function archiveOf(files: Files): Buffer {
  const sorted = [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bytes]) => ({ name, bytes, size: bytes.length, crc32: crc32(bytes) }));
  const parts = sorted.flatMap((file) => [archiveHeader(file), file.bytes]);
  return Buffer.concat([...parts, archiveEnd(sorted)]);
}

/** What a forger does last: sizes and digests say what the files are now. */
export function rebag(files: Files): Files {
  const payload = [...files].filter(([name]) => name.startsWith('data/'));
  const bytes = payload.reduce((sum, [, { length }]) => sum + length, 0);
  const info = files.get('bag-info.txt');
  if (info !== undefined) {
    const said = info.toString('latin1').replace(/^Payload-Oxum: .*$/m, `Payload-Oxum: ${bytes}.${payload.length}`);
    files.set('bag-info.txt', Buffer.from(said, 'latin1'));
  }
  remanifest(files);
  return files;
}

/** The digests alone. */
export function remanifest(files: Files): void {
  const lines = (isListed: (name: string) => boolean) =>
    [...files]
      .filter(([name]) => isListed(name))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, bytes]) => `${hex(sha256(bytes))}  ${name}\n`);
  const set = (name: string, text: readonly string[]) => files.set(name, Buffer.from(text.join('')));
  set(
    'manifest-sha256.txt',
    lines((name) => name.startsWith('data/')),
  );
  const unlisted = ['tagmanifest-sha256.txt', 'attestation.dsse.json'];
  set(
    'tagmanifest-sha256.txt',
    lines((name) => !name.startsWith('data/') && !unlisted.includes(name)),
  );
}

export function text(files: Files, name: string): string {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`there is no ${name}`);
  return bytes.toString();
}

/** Rewrites a text file; one that stays as it was would be a test of nothing. */
export function edit(files: Files, name: string, change: (before: string) => string): void {
  const before = text(files, name);
  const after = change(before);
  if (after === before) throw new Error(`${name} is as it was`);
  files.set(name, Buffer.from(after));
}

export const statementIn = (files: Files): Statement => parseStatement(text(files, 'data/statement.json'));

export function pinnedIn(files: Files, log: string): PinnedRecords {
  const pinned = statementIn(files).logs.find((one) => one.log === log);
  if (pinned === undefined) throw new Error(`there is no ${log}`);
  return pinned;
}

export function restate(files: Files, change: (statement: Statement) => Statement): void {
  edit(files, 'data/statement.json', () => statementText(change(statementIn(files))));
}

/** Lines of a file, without their ends. */
export const linesIn = (files: Files, name: string): string[] => text(files, name).split('\n').slice(0, -1);

/** The leaves of a log in a bundle. */
export function leavesIn(files: Files, log: string): PlacedLeaf[] {
  const { indexes } = parseRange(text(files, `proofs/${log}/range.json`));
  const lines = linesIn(files, `data/records/${log}.ndjson`);
  return indexes.map((index, i) => [index, Buffer.from(lines[i] ?? '')] as const);
}

/** A tree with these leaf hashes. */
export const nodesOf =
  (hashes: readonly Uint8Array[]): ReadNode =>
  (level, index) =>
    treeHash(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level));

/**
 * Writes records of a log as whoever has all its leaf hashes can: with their proof, and what the statement counts.
 * @param hashes of all leaves of the log
 */
export function writeLeaves(
  files: Files,
  log: string,
  { hashes, leaves }: { readonly hashes: readonly Uint8Array[]; readonly leaves: readonly PlacedLeaf[] },
): void {
  const { size } = pinnedIn(files, log);
  const indexes = leaves.map(([index]) => index);
  const path = rootsOf(subtreesBeside(indexes, size), nodesOf(hashes.slice(0, size)));
  files.set(`proofs/${log}/range.json`, Buffer.from([...rangeText({ log, size, indexes, path })].join('')));
  files.set(`data/records/${log}.ndjson`, Buffer.concat(leaves.flatMap(([, bytes]) => [bytes, Buffer.from('\n')])));
  const disclosures = `data/disclosures/${log}.ndjson`;
  if (files.has(disclosures)) {
    const kept = linesIn(files, disclosures).filter((line) =>
      indexes.includes((JSON.parse(line) as { index: number }).index),
    );
    files.set(disclosures, Buffer.from(kept.map((line) => `${line}\n`).join('')));
  }
  const bodies = leaves.reduce((sum, [, bytes]) => sum + bodiesOf(bytes), 0);
  const disclosed = files.has(disclosures) ? linesIn(files, disclosures).length : 0;
  const counts = { shown: leaves.length, disclosed, undisclosed: bodies - disclosed };
  const before = statementIn(files);
  const logs = before.logs.map((one) => (one.log === log ? { ...one, ...counts } : one));
  files.set('data/statement.json', Buffer.from(statementText({ ...before, logs })));
}

/** As many as the leaf commits to; what is no leaf commits to as many as the one that it stands for, which nobody gets to count. */
function bodiesOf(bytes: Uint8Array): number {
  try {
    return Object.keys(decodeLeaf(bytes).c ?? {}).length;
  } catch {
    return 1;
  }
}

/** Makes the files anew that are made of the records, so that nothing but proofs can give a change away. */
export async function rederive(files: Files): Promise<void> {
  const { logs } = statementIn(files);
  const records = logs.map(({ log }) => {
    const leaves = leavesIn(files, log);
    return {
      log,
      indexes: leaves.map(([index]) => index),
      leafAt: (line: number) => Promise.resolve((leaves[line] as PlacedLeaf)[1]),
      async *leaves() {
        for (const [, bytes] of leaves) yield bytes;
      },
    };
  });
  for (const { run, directory } of await runsIn(files, records)) {
    for (const { name, pieces } of runFiles(run, directory)) {
      const parts: string[] = [];
      for await (const piece of pieces()) parts.push(piece);
      files.set(name, Buffer.from(parts.join('')));
    }
  }
}

/** The runs of a bundle, and where the files of each lie. */
async function runsIn(
  files: Files,
  records: readonly RecordFile[],
): Promise<readonly { readonly run: RunRecords; readonly directory: string }[]> {
  const statement = statementIn(files);
  if (!('runs' in statement))
    return statement.scope.kind === 'RUN'
      ? [{ run: await readRunRecords(statement.scope.run_id, records), directory: 'data' }]
      : [];
  return Promise.all(
    statement.runs.map(async ({ run_id }, place) => {
      const directory = `data/runs/${place + 1}`;
      const own = recordsOfRun(records, parseRunLeaves(text(files, `${directory}/leaves.json`)));
      return { run: await readRunRecords(run_id, own), directory };
    }),
  );
}

/** Signs a tree of a log anew, with the proofs of single leaves that the bundle has. */
export function signTree(
  files: Files,
  log: string,
  { hashes, key, origin = pinnedIn(files, log).origin }: { hashes: readonly Uint8Array[]; key: Key; origin?: string },
): void {
  const { size } = pinnedIn(files, log);
  const tree = hashes.slice(0, size);
  const checkpoint = formatNote(checkpointBody({ origin, size, root: treeHash(tree) }), [{ name: origin, ...key }]);
  files.set(`proofs/${log}/checkpoint`, Buffer.from(checkpoint));
  for (const name of files.keys()) {
    const [, of, index] = /^proofs\/([^/]+)\/([0-9]+)\.tlog-proof$/.exec(name) ?? [];
    if (of !== log) continue;
    const path = inclusionProof(Number(index), size, nodesOf(tree));
    files.set(name, Buffer.from(formatTlogProof({ index: Number(index), path, checkpoint })));
  }
}

/** A log in which something else was hashed at one place, signed by this key: all that a signature says is that somebody signed it. */
export function plant(
  files: Files,
  log: string,
  { hashes, key, leaf: [at, bytes] }: { hashes: readonly Uint8Array[]; key: Key; leaf: PlacedLeaf },
): void {
  const planted = hashes.with(at, leafHash(bytes));
  const leaves = leavesIn(files, log).map((leaf): PlacedLeaf => (leaf[0] === at ? [at, bytes] : leaf));
  writeLeaves(files, log, { hashes: planted, leaves });
  signTree(files, log, { hashes: planted, key });
}

/** Signs all logs with this key, and says that it is theirs. */
export function signAll(files: Files, hashes: ReadonlyMap<string, readonly Uint8Array[]>, key: Key): void {
  const { logs } = statementIn(files);
  for (const { log } of logs) signTree(files, log, { hashes: hashes.get(log) ?? [], key });
  const lines = logs.map(({ origin }) => `${vkeyOf(origin, key.publicKey)}\n`);
  files.set('trust/keys.txt', Buffer.from(lines.join('')));
}

/** A key that nobody trusts. */
export function foreignKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    sign: (message) => sign(null, message, privateKey),
  };
}
