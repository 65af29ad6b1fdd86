import type { Statement } from '@sworn/evidence';
import { topicOfLog } from '@sworn/evidence';
import type { BundleFiles } from './files.js';
import type { TellBundle } from './finding.js';
import { rulesOf } from './kinds.js';

/** Files for reading and for other tools: nothing is proven about them. */
const CONVENIENCES = ['data/report.html', 'data/report.pdf', 'data/spans.otlp.json'] as const;
/** Files of the bag, which the digests are about, and what explains them. */
const TAGS = ['VERIFY.md', 'bag-info.txt', 'bagit.txt', 'manifest-sha256.txt', 'tagmanifest-sha256.txt'] as const;

/** Files that can be checked by nothing, in a bundle: what the verifier lists as NOT EVIDENCE. */
export function notEvidence(files: BundleFiles): readonly string[] {
  return [...CONVENIENCES, 'VERIFY.md', 'bag-info.txt'].filter((name) => files.has(name)).sort();
}

/** Tells of each file that a bundle which says this of itself must have and has not, or has and must not. */
export function checkLayout(statement: Statement, files: BundleFiles, tell: TellBundle): void {
  const rules = rulesOf(statement);
  const needed = new Set<string>([
    ...TAGS,
    ...rules.derived.map((name) => `data/${name}`),
    ...rules.needed(statement),
    'data/statement.json',
    'trust/keys.txt',
    ...statement.logs.flatMap(({ log, withheld }) => [
      `data/records/${log}.ndjson`,
      `proofs/${log}/checkpoint`,
      `proofs/${log}/range.json`,
      ...(isLogDisclosed(statement, log) ? [`data/disclosures/${log}.ndjson`] : []),
      ...(withheld > 0 ? [`proofs/${log}/withheld.json`] : []),
    ]),
  ]);
  for (const name of needed)
    if (!files.has(name)) tell({ code: 'FILE_MISSING', entry: name, expected: 'this file', found: 'none' });
  const allowed = new Set<string>([...CONVENIENCES, 'attestation.dsse.json']);
  const logs = new Set(statement.logs.map((one) => one.log));
  for (const name of files.keys()) {
    const [, ofLog] = /^proofs\/([a-z0-9.-]+)\/(?:0|[1-9][0-9]{0,15})\.tlog-proof$/.exec(name) ?? [];
    if (needed.has(name) || allowed.has(name) || (ofLog !== undefined && logs.has(ofLog))) continue;
    tell({ code: 'FILE_UNEXPECTED', entry: name, expected: 'no such file in this format', found: 'one' });
  }
}

/** Whether a bundle that says this of itself discloses the bodies of this log. */
export function isLogDisclosed({ disclosure }: Statement, log: string): boolean {
  return disclosure === 'all' || (disclosure === 'governance' && topicOfLog(log) === 'audit');
}
