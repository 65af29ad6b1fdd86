import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { BUNDLE_FORMAT, hex, sha256, type Statement, statementText, vkeyOf } from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import { keyAt, type SigningKeysOf } from '../sign/signingKeys.js';
import type { Identity } from './identity.js';
import { boundaryPieces, tlogProof, withheldPieces, writeRange } from './proofs.js';
import { isDisclosed, writeRecords, type WrittenRecords } from './records.js';
import type { ReportedLog } from './report/report.js';
import { type ExportAsked, findScope } from './kinds.js';
import type { FoundScope, Pieces, ScopedLog } from './scope.js';
import { type BundledFile, ScratchFile, ScratchShelf } from './scratchFile.js';

/** What building needs. */
export interface ExportDeps {
  readonly read: ReadDeps;
  readonly signingKeysOf: SigningKeysOf;
  /** Where files lie while they are made, and bundles are kept. */
  readonly directory: string;
}

/** Tells of a build under way. */
export interface Build {
  /** What it will be is known: called once, and waited for, before anything is read that it is made of. */
  readonly onIdentity?: (identity: Identity) => Promise<void>;
  readonly tell?: (progress: Progress) => void;
  /** Asked after each piece of work: null, or a rest for others to have the thread. What it rejects with ends the build. */
  readonly breathe?: () => Promise<void> | null;
}

/** How far a build is. */
export type Progress =
  /** Of several runs: through how many records was looked for them, and which is being read, then written. */
  | { readonly step: 'looked'; readonly leaves: number; readonly of: number }
  | { readonly step: 'run'; readonly run: number; readonly of: number }
  | { readonly step: 'found'; readonly leaves: number }
  | { readonly step: 'records'; readonly leaves: number }
  | { readonly step: 'proofs' | 'files' };

/** The files of a bundle that are the same whenever and wherever it is made; all but the attestation. */
export interface Core {
  readonly statement: Statement;
  readonly files: ReadonlyMap<string, BundledFile>;
  /** SHA-256 of `manifest-sha256.txt` and `tagmanifest-sha256.txt`, hex. The first is the export's checksum. */
  readonly manifest: string;
  readonly tagManifest: string;
  /**
   * Data keys of what is in it that lived when it was begun, in order: what is kept of it is sealed under all of them. One that is gone by then means that
   * something was erased meanwhile.
   */
  readonly keyIds: readonly string[];
  close(): Promise<void>;
}

/**
 * Builds the core of a bundle in unnamed files, in bounded memory. The caller closes it.
 * @throws Refusal `not_found`, `evidence_compromised`; ExportRefused
 */
export async function buildCore(
  deps: ExportDeps,
  asked: ExportAsked,
  { onIdentity = () => Promise.resolve(), tell = () => undefined, breathe = () => null }: Build = {},
): Promise<Core> {
  await mkdir(deps.directory, { recursive: true, mode: 0o700 });
  const files = new Map<string, BundledFile>();
  const open: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(open.map((file) => file.close()));
  };
  try {
    return { ...(await write(deps, asked, { files, open, onIdentity, tell, breathe })), files, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a bundle would be made of, and what makes it the one it is. @throws Refusal `not_found`, `evidence_compromised`; ExportRefused */
export async function findIdentity(
  read: ReadDeps,
  asked: ExportAsked,
  told: Parameters<typeof findScope>[2],
): Promise<{ readonly found: FoundScope; readonly identity: Identity }> {
  const found = await findScope(read, asked, told);
  const { scope, logs, runs } = found;
  const pins = logs.map(({ log, checkpoint }) => ({ log, size: checkpoint.size }));
  return { found, identity: { scope, disclosure: asked.disclosure, pins, ...(runs === undefined ? {} : { runs }) } };
}

interface Writing extends Required<Build> {
  readonly files: Map<string, BundledFile>;
  /** What is to be closed. */
  readonly open: { close(): Promise<void> }[];
}

async function write(deps: ExportDeps, asked: ExportAsked, { files, open, onIdentity, tell, breathe }: Writing) {
  const { tenantId, disclosure } = asked;
  const add = async (name: string, pieces: Pieces = []): Promise<ScratchFile> => {
    const file = await ScratchFile.create(deps.directory);
    open.push(file);
    files.set(name, file);
    for await (const piece of pieces) {
      await file.write(piece);
      await breathe();
    }
    return file;
  };
  const shelf = await ScratchShelf.create(deps.directory);
  open.push(shelf);
  const addSmall = async (name: string, pieces: Pieces): Promise<void> => {
    files.set(name, await shelf.add(pieces));
    await breathe();
  };
  const onRun = (run: number, of: number) => tell({ step: 'run', run, of });
  const { found, identity } = await findIdentity(deps.read, asked, {
    onLooked: (leaves, of) => tell({ step: 'looked', leaves, of }),
    onRun,
  });
  const { logs } = found;
  await onIdentity(identity);
  tell({ step: 'found', leaves: logs.reduce((sum, { indexes }) => sum + indexes.length, 0) });
  const written: WrittenRecords[] = [];
  for (const log of logs) {
    written.push(
      await writeRecords(deps.read, tenantId, log, {
        records: await add(`data/records/${log.log}.ndjson`),
        disclosures: isDisclosed(disclosure, log.log) ? await add(`data/disclosures/${log.log}.ndjson`) : null,
        onLeaves: async (leaves) => {
          tell({ step: 'records', leaves });
          await breathe();
        },
      }),
    );
  }
  tell({ step: 'proofs' });
  for (const log of logs) {
    await add(`proofs/${log.log}/checkpoint`, [log.checkpoint.note]);
    await writeRange(deps.read, tenantId, log, await add(`proofs/${log.log}/range.json`));
    const { withheld, boundary } = log.beside ?? { withheld: [], boundary: [] };
    if (withheld.length > 0)
      await add(`proofs/${log.log}/withheld.json`, withheldPieces(deps.read, tenantId, log, withheld));
    if (boundary.length > 0)
      await add(`proofs/${log.log}/boundary.ndjson`, boundaryPieces(deps.read, tenantId, log, boundary));
    for (const index of found.singlyProven(log))
      await addSmall(`proofs/${log.log}/${index}.tlog-proof`, [await tlogProof(deps.read, tenantId, log, index)]);
  }
  const keyed = await keyedLogs(deps, tenantId, logs);
  await add('trust/keys.txt', [keyLines(keyed)]);
  tell({ step: 'files' });
  const statement = await found.writeFiles({
    read: deps.read,
    head: { format: BUNDLE_FORMAT, disclosure, logs: written.map(({ counts }) => counts) },
    written,
    logs: keyed.map(reportedLog),
    add,
    addSmall,
    onRun,
  });
  await add('data/statement.json', [statementText(statement)]);
  await add('bagit.txt', ['BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n']);
  await add('bag-info.txt', [bagInfo(`${BUNDLE_FORMAT} ${found.name}`, files)]);
  const manifest = await add(
    'manifest-sha256.txt',
    manifestLines(files, (name) => name.startsWith('data/')),
  );
  const tags = await add(
    'tagmanifest-sha256.txt',
    manifestLines(files, (name) => !name.startsWith('data/')),
  );
  const keyIds = [...new Set(written.flatMap((log) => [...log.keyIds]))].sort();
  return { statement, manifest: manifest.sha256, tagManifest: tags.sha256, keyIds };
}

/** A log, and the key that is valid for the size of its checkpoint. */
type KeyedLog = ScopedLog & { readonly publicKey: Uint8Array };

async function keyedLogs(
  { signingKeysOf }: ExportDeps,
  tenantId: string,
  logs: readonly ScopedLog[],
): Promise<readonly KeyedLog[]> {
  const keys = await signingKeysOf(tenantId, 0);
  return logs.map((log) => {
    const publicKey = keyAt(keys, log.log, log.checkpoint.size);
    if (publicKey === null) throw new Error('a verified checkpoint has no key that is valid for its size');
    return { ...log, publicKey };
  });
}

/** One verifier key line for each log. */
function keyLines(logs: readonly KeyedLog[]): string {
  return logs.map(({ origin, publicKey }) => `${vkeyOf(origin, publicKey)}\n`).join('');
}

function reportedLog({ log, origin, checkpoint: { size, root, note }, publicKey }: KeyedLog): ReportedLog {
  return { log, origin, size, root: hex(root), note, keyFingerprint: hex(sha256(publicKey)) };
}

/** BagIt's own description (RFC 8493 §2.2.2): what is said elsewhere, for tools that know bags only. */
function bagInfo(name: string, files: ReadonlyMap<string, BundledFile>): string {
  const payload = [...files].filter(([name]) => name.startsWith('data/'));
  const bytes = payload.reduce((sum, [, file]) => sum + file.size, 0);
  return `External-Identifier: ${name}\nPayload-Oxum: ${bytes}.${payload.length}\n`;
}

/** A line for each file (RFC 8493 §2.1.3), in the order of their names. */
function manifestLines(files: ReadonlyMap<string, BundledFile>, isListed: (name: string) => boolean): string[] {
  return [...files]
    .filter(([name]) => isListed(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => `${file.sha256}  ${name}\n`);
}

/** Where bundles of a deployment lie by default. */
export function exportDirectory(dataDir: string): string {
  return join(dataDir, 'exports');
}
