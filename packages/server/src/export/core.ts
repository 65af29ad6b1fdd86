import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import {
  type Disclosure,
  readRunRecords,
  runFiles,
  type Statement,
  BUNDLE_FORMAT,
  hex,
  sha256,
  statementText,
  topicOfLog,
  vkeyOf,
} from '@sworn/evidence';
import type { ReadDeps } from '../read/reading.js';
import { keyAt, type SigningKeysOf } from '../sign/signingKeys.js';
import { inTenant } from '../store/database.js';
import { contentOf } from './content.js';
import type { Identity } from './identity.js';
import { tlogProof, writeRange } from './proofs.js';
import { isDisclosed, writeRecords, type WrittenRecords } from './records.js';
import { reportHtml } from './report/html.js';
import { reportPdf } from './report/pdf.js';
import { type ReportedLog, reportOf } from './report/report.js';
import { checksumOfRun, readRunScope, type RunScope } from './runScope.js';
import { ScratchFile } from './scratchFile.js';
import { spansText } from './spans.js';
import { VERIFY_PAGE } from './verifyPage.js';

/** What building needs. */
export interface ExportDeps {
  readonly read: ReadDeps;
  readonly signingKeysOf: SigningKeysOf;
  /** Where files lie while they are made, and bundles are kept. */
  readonly directory: string;
}

/** Which bundle. Together with the pins and the format it is the identity of the export. */
export interface RunExportAsked {
  readonly tenantId: string;
  readonly runId: string;
  readonly disclosure: Disclosure;
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
  | { readonly step: 'found'; readonly leaves: number }
  | { readonly step: 'records'; readonly leaves: number }
  | { readonly step: 'proofs' | 'files' };

/** The files of a bundle that are the same whenever and wherever it is made; all but the attestation. */
export interface Core {
  readonly statement: Statement;
  readonly files: ReadonlyMap<string, ScratchFile>;
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

/** Proofs of single records, beside that of the RUN leaf: of the first so many of what was said of rules. */
const MAX_SINGLE_PROOFS = 64;

/**
 * Builds the core of a run's bundle in unnamed files, in bounded memory. The caller closes it.
 * @throws Refusal `not_found`, `evidence_compromised`; ExportRefused
 */
export async function buildCore(
  deps: ExportDeps,
  asked: RunExportAsked,
  { onIdentity = () => Promise.resolve(), tell = () => undefined, breathe = () => null }: Build = {},
): Promise<Core> {
  await mkdir(deps.directory, { recursive: true, mode: 0o700 });
  const files = new Map<string, ScratchFile>();
  const close = async () => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    return { ...(await write(deps, asked, { files, onIdentity, tell, breathe })), files, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Pieces = Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

interface Writing extends Required<Build> {
  readonly files: Map<string, ScratchFile>;
}

async function write(deps: ExportDeps, asked: RunExportAsked, { files, onIdentity, tell, breathe }: Writing) {
  const { tenantId, disclosure } = asked;
  const add = async (name: string, pieces: Pieces = []): Promise<ScratchFile> => {
    const file = await ScratchFile.create(deps.directory);
    files.set(name, file);
    for await (const piece of pieces) {
      await file.write(piece);
      await breathe();
    }
    return file;
  };
  const scope = await inTenant(
    deps.read.db,
    'reader',
    tenantId,
    (tx) => readRunScope(deps.read, tx, tenantId, asked.runId),
    { readOnly: true, snapshot: true, inIndexOrder: true },
  );
  await onIdentity(identityOf(scope, asked));
  tell({ step: 'found', leaves: scope.logs.reduce((sum, { indexes }) => sum + indexes.length, 0) });
  const written: WrittenRecords[] = [];
  for (const log of scope.logs) {
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
  for (const log of scope.logs) {
    await add(`proofs/${log.log}/checkpoint`, [log.checkpoint.note]);
    await writeRange(deps.read, tenantId, log, await add(`proofs/${log.log}/range.json`));
    for (const index of singlyProven(scope, log))
      await add(`proofs/${log.log}/${index}.tlog-proof`, [await tlogProof(deps.read, tenantId, log, index)]);
  }
  const keyed = await keyedLogs(deps, scope);
  await add('trust/keys.txt', [keyLines(keyed)]);
  tell({ step: 'files' });
  const run = await readRunRecords(
    scope.runId,
    written.map(({ file }) => file),
  );
  for (const { name, pieces } of runFiles(run)) await add(name, pieces());
  if (disclosure === 'all') await add('data/spans.otlp.json', spansText(run, written));
  const statement = statementOf(scope, asked, written);
  await add('data/statement.json', [statementText(statement)]);
  const report = await reportOf({
    statement,
    run,
    files: written.map(({ file }) => file),
    logs: keyed.map(reportedLog),
    contentOf: contentOf(deps.read.mapping, written),
  });
  await add('data/report.html', reportHtml(report));
  await add('data/report.pdf', reportPdf(report));
  await add('VERIFY.md', [VERIFY_PAGE]);
  await add('bagit.txt', ['BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n']);
  await add('bag-info.txt', [bagInfo(statement, files)]);
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

/** The RUN leaf; of `audit` the first few. */
function singlyProven({ newest }: RunScope, { log, indexes }: RunScope['logs'][number]): readonly number[] {
  if (log === newest.log) return [newest.index];
  return topicOfLog(log) === 'audit' ? indexes.slice(0, MAX_SINGLE_PROOFS) : [];
}

/** A log, and the key that is valid for the size of its checkpoint. */
type KeyedLog = RunScope['logs'][number] & { readonly publicKey: Uint8Array };

async function keyedLogs({ signingKeysOf }: ExportDeps, { tenantId, logs }: RunScope): Promise<readonly KeyedLog[]> {
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

/** What makes two bundles the same one, beside the format. */
function identityOf({ tenantId, runId, logs }: RunScope, { disclosure }: RunExportAsked): Identity {
  const pins = logs.map(({ log, checkpoint }) => ({ log, size: checkpoint.size }));
  return { scope: { kind: 'RUN', tenant_id: tenantId, run_id: runId }, disclosure, pins };
}

function statementOf(scope: RunScope, { disclosure }: RunExportAsked, written: readonly WrittenRecords[]): Statement {
  return {
    format: BUNDLE_FORMAT,
    scope: { kind: 'RUN', tenant_id: scope.tenantId, run_id: scope.runId },
    disclosure,
    logs: written.map(({ counts }) => counts),
    complete_by: { log: scope.newest.log, leaf_index: scope.newest.index, checksum: checksumOfRun(scope) },
  };
}

/** BagIt's own description (RFC 8493 §2.2.2): what is said elsewhere, for tools that know bags only. */
function bagInfo({ format, scope }: Statement, files: ReadonlyMap<string, ScratchFile>): string {
  const payload = [...files].filter(([name]) => name.startsWith('data/'));
  const bytes = payload.reduce((sum, [, file]) => sum + file.size, 0);
  return `External-Identifier: ${format} ${scope.run_id}\nPayload-Oxum: ${bytes}.${payload.length}\n`;
}

/** A line for each file (RFC 8493 §2.1.3), in the order of their names. */
function manifestLines(files: ReadonlyMap<string, ScratchFile>, isListed: (name: string) => boolean): string[] {
  return [...files]
    .filter(([name]) => isListed(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => `${file.sha256}  ${name}\n`);
}

/** Where bundles of a deployment lie by default. */
export function exportDirectory(dataDir: string): string {
  return join(dataDir, 'exports');
}
