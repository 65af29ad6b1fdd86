import { parseStatement, type Statement, topicOfLog, type Vkey, vkeyOf } from '@sworn/evidence';
import type { ArchiveCode } from './archive/finding.js';
import { openArchive } from './archive/open.js';
import type { ArchiveSource } from './archive/source.js';
import { checkBag } from './bag/check.js';
import type { BagCode } from './bag/finding.js';
import { checkAttestation } from './bundle/attestation.js';
import { checkCheckpoint } from './bundle/checkpoint.js';
import { checkDisclosures } from './bundle/disclosures.js';
import { type BundleFiles, reading, textOf } from './bundle/files.js';
import type { BundleCode } from './bundle/finding.js';
import { fingerprintOf, parseKeys } from './bundle/keys.js';
import { checkLayout, notEvidence } from './bundle/layout.js';
import { checkAgainst } from './bundle/older.js';
import { type CheckedRecords, checkRecords } from './bundle/records.js';
import { rulesOf } from './bundle/kinds.js';
import { type Finding, FindingList } from './finding.js';
import type { VerifySignature } from './signature.js';

/** Everything that can be wrong with a bundle. */
export type VerificationCode = ArchiveCode | BagCode | BundleCode;

/**
 * VERIFIED: nothing contradicts anything, under keys that were pinned. UNPINNED: nothing contradicts anything, but whoever made the file also chose the
 * keys. CONTRADICTED: there are findings.
 */
export type Verdict = 'VERIFIED' | 'UNPINNED' | 'CONTRADICTED';

/** What a verdict says to people. */
export function sentenceOf({ verdict, statement }: Pick<Verification, 'verdict' | 'statement'>): string {
  if (verdict !== 'VERIFIED') return SENTENCES[verdict];
  const complete = statement === null ? '' : `, ${rulesOf(statement).isComplete}`;
  return `VERIFIED: the records are those that were signed${complete}, and all that is made of them agrees`;
}

const SENTENCES = {
  CONTRADICTED: 'CONTRADICTED: this is not what was recorded, or not all of it',
  UNPINNED:
    'UNPINNED: nothing contradicts anything, but no key was pinned: whoever made the file may have made the key (--key <file>)',
} as const satisfies Record<Exclude<Verdict, 'VERIFIED'>, string>;

/** A log of a bundle, as it was found. */
export interface VerifiedLog {
  readonly log: string;
  readonly origin: string;
  readonly size: number;
  readonly shown: number;
  /** Leaves that are there as bare hashes. */
  readonly withheld: number;
  /** `sha256:` of the public key whose signature was verified; null: of none. */
  readonly signedBy: string | null;
}

/** What was found. */
export interface Verification {
  readonly verdict: Verdict;
  readonly findings: readonly Finding<VerificationCode>[];
  readonly unlisted: number;
  /** Null: it could not be read. */
  readonly statement: Statement | null;
  readonly logs: readonly VerifiedLog[];
  /** Id of the export whose attestation is sound; null: it has none, or that is not. */
  readonly attested: string | null;
  /** Files about which nothing is proven. */
  readonly notEvidence: readonly string[];
}

/** What a bundle is verified by. */
export interface Trust {
  /** Pinned keys; empty: none, and the verdict is never VERIFIED. */
  readonly keys: readonly Vkey[];
  readonly verify: VerifySignature;
}

const MAX_STATEMENT_BYTES = 1 << 20;
const MAX_KEYS_BYTES = 1 << 20;

/**
 * Verifies a bundle by docs/spec/bundle.md, with nothing but its bytes and the keys: archive, layout, signatures, proofs, disclosures, completeness, and the
 * files that are made of the records. Never stops at a finding that leaves something to look at.
 * @param older a bundle from before, to hold it against
 * @throws SourceFailed when one of them cannot be read: nothing was learnt
 */
export async function verifyBundle(
  source: ArchiveSource,
  trust: Trust,
  older: ArchiveSource | null = null,
): Promise<Verification> {
  const list = new FindingList<VerificationCode>();
  const archive = await openArchive(source);
  const files: BundleFiles = new Map(archive.entries.map((entry) => [entry.name, entry]));
  const isReadable = archive.findings.length === 0;
  const bag = await checkBag(archive.entries);
  const found = isReadable ? await verifyFiles(files, { ...trust, older }, list) : NOTHING;
  const findings = [...archive.findings, ...(isReadable ? bag.findings : []), ...list.findings];
  return {
    ...found,
    verdict: findings.length > 0 ? 'CONTRADICTED' : trust.keys.length === 0 ? 'UNPINNED' : 'VERIFIED',
    findings,
    unlisted: archive.unlisted + (isReadable ? bag.unlisted : 0) + list.unlisted,
    notEvidence: notEvidence(files),
  };
}

const NOTHING = { statement: null, logs: [], attested: null } as const;

async function verifyFiles(
  files: BundleFiles,
  { keys, verify, older }: Trust & { readonly older: ArchiveSource | null },
  { tell }: FindingList<VerificationCode>,
): Promise<Pick<Verification, 'statement' | 'logs' | 'attested'>> {
  const name = 'data/statement.json';
  const text = await textOf(files, name, { maxBytes: MAX_STATEMENT_BYTES, tell });
  const statement = text === null ? null : reading('STATEMENT_MALFORMED', name, tell, () => parseStatement(text));
  if (statement === null) return NOTHING;
  checkOrigins(statement, tell);
  checkLayout(statement, files, tell);
  const claimed = await claimedKeys(statement, files, tell);
  const trusted = keys.length > 0 ? keys : claimed;
  const logs: VerifiedLog[] = [];
  const records: (CheckedRecords & { readonly origin: string })[] = [];
  for (const pinned of statement.logs) {
    const { log, origin, size, shown, withheld } = pinned;
    const signed = await checkCheckpoint(files, pinned, { keys: trusted, verify }, tell);
    const read = await checkRecords(files, { statement, pinned, signed }, tell);
    if (read !== null) {
      await checkDisclosures(files, { statement, pinned }, read, tell);
      records.push({ ...read, origin });
    }
    const signedBy = signed?.signedBy == null ? null : fingerprintOf(signed.signedBy);
    logs.push({ log, origin, size, shown, withheld, signedBy });
    const line = claimed.find((key) => key.name === origin);
    if (signedBy !== null && (line === undefined || fingerprintOf(line.publicKey) !== signedBy))
      tell({
        code: 'KEY_DIFFERS',
        entry: 'trust/keys.txt',
        expected: `the key that signed ${origin}, ${signedBy}`,
        found: line === undefined ? 'none' : fingerprintOf(line.publicKey),
      });
  }
  if (records.length === statement.logs.length) await rulesOf(statement).check(statement, files, records, tell);
  if (older !== null) await checkAgainst(older, { statement, records }, tell);
  const attested = await checkAttestation(statement, files, { keys: trusted, verify }, tell);
  return { statement, logs, attested };
}

/** All logs are of the tenant that the statement is about, of one deployment, and each stands there once. */
function checkOrigins({ scope, logs }: Statement, tell: FindingList<VerificationCode>['tell']): void {
  const [deployment = ''] = logs[0]?.origin.split('/') ?? [];
  for (const [i, { log, origin }] of logs.entries()) {
    const expected = `${deployment}/${scope.tenant_id}/${log}`;
    if (origin !== expected || topicOfLog(log) === null || (i > 0 && log <= (logs[i - 1]?.log ?? '')))
      tell({ code: 'STATEMENT_MALFORMED', entry: 'data/statement.json', expected, found: origin });
  }
}

/** The keys that the bundle itself names, a line for each log: for convenience, and for a verdict that is never more than UNPINNED. */
async function claimedKeys(
  { logs }: Statement,
  files: BundleFiles,
  tell: FindingList<VerificationCode>['tell'],
): Promise<readonly Vkey[]> {
  const name = 'trust/keys.txt';
  const text = await textOf(files, name, { maxBytes: MAX_KEYS_BYTES, tell });
  const keys = text === null ? null : reading('FILE_MALFORMED', name, tell, () => parseKeys(text));
  if (keys === null) return [];
  const isAsWritten = text === keys.map((key) => `${vkeyOf(key.name, key.publicKey)}\n`).join('');
  if (!isAsWritten || keys.length !== logs.length || keys.some((key, i) => key.name !== logs[i]?.origin)) {
    const expected = 'a key line for each log, in their order, and nothing else';
    tell({ code: 'FILE_MALFORMED', entry: name, expected, found: 'other lines' });
  }
  return keys;
}
