import { MAX_ENTRIES, MAX_NAME_BYTES } from '../archive/profile.js';

export const DECLARATION = 'bagit.txt';
export const INFO = 'bag-info.txt';
/** Lists the payload: what lies in `data/`. */
export const MANIFEST = 'manifest-sha256.txt';
/** Lists every other file but itself and the attestation. */
export const TAG_MANIFEST = 'tagmanifest-sha256.txt';
/** Signs the digests of both manifests, so neither of them can list it. */
const ATTESTATION = 'attestation.dsse.json';

/** RFC 8493 §2.1.1, to the byte. */
export const DECLARATION_TEXT = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';

/** A digest in hex, two spaces, and a newline. */
const LINE_BYTES = 64 + 2 + 1;
/** A manifest of as many files as an archive can have. Manifests are held in memory. */
const MAX_MANIFEST_BYTES = MAX_ENTRIES * (LINE_BYTES + MAX_NAME_BYTES);
/** Of bag-info.txt: a dozen lines about the bag. */
const MAX_INFO_BYTES = 64 * 1024;

/** What is read into memory, because the bag is checked by it, and how many bytes of it at most. */
export const HELD_BYTES: ReadonlyMap<string, number> = new Map([
  [DECLARATION, 1024],
  [INFO, MAX_INFO_BYTES],
  [MANIFEST, MAX_MANIFEST_BYTES],
  [TAG_MANIFEST, MAX_MANIFEST_BYTES],
]);

/** The manifest that has to list a file; undefined: none. */
export function manifestOf(name: string): typeof MANIFEST | typeof TAG_MANIFEST | undefined {
  if (name === TAG_MANIFEST || name === ATTESTATION) return undefined;
  return name.startsWith('data/') ? MANIFEST : TAG_MANIFEST;
}
