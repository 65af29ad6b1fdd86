import { hex, sha256, utf8 } from '@sworn/evidence';
import { bytesSource, checkBag, openArchive } from '../src/index.js';
import { assembled, type File } from './zip.js';

export type Files = Readonly<Record<string, string>>;

export const DECLARATION = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';
const TAGS: Files = {
  'VERIFY.md': '# How to verify\n',
  'bag-info.txt': 'External-Identifier: run 1\nPayload-Oxum: 16.2\n',
  'bagit.txt': DECLARATION,
  'proofs/llm-runs/checkpoint': 'sworn/x/llm-runs\n1\n…\n',
};
const PAYLOAD: Files = { 'data/records/llm-runs.ndjson': '{"a":1}\n', 'data/statement.json': '{"b":2}\n' };

/** An honest bag, with the attestation that no manifest lists. */
export function honestBag(): Files {
  const manifest = manifestOf(PAYLOAD);
  const tags = { ...TAGS, 'manifest-sha256.txt': manifest };
  return {
    ...PAYLOAD,
    ...tags,
    'tagmanifest-sha256.txt': manifestOf(tags),
    'attestation.dsse.json': '{"signed":"both manifests"}',
  };
}

export function manifestOf(files: Files): string {
  return Object.keys(files)
    .sort()
    .map((name) => `${hex(sha256(utf8(files[name]!)))}  ${name}\n`)
    .join('');
}

/** The files as an archive, in the order of their names; its own checksums are right. */
export function archived(files: Files): Uint8Array {
  const sorted: File[] = Object.keys(files)
    .sort()
    .map((name) => ({ name, bytes: files[name]! }));
  return assembled(sorted);
}

/** What is found in the bag, each as code and file. */
export async function found(bag: Files | Uint8Array): Promise<string[]> {
  const archive = await openArchive(bytesSource(bag instanceof Uint8Array ? bag : archived(bag)));
  if (archive.findings.length > 0) throw new Error(`not an archive of the profile: ${archive.findings[0]!.code}`);
  return (await checkBag(archive.entries)).findings.map(({ code, entry }) => `${code} ${entry}`);
}
