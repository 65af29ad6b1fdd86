import type { ArchiveEntry } from '../archive/entry.js';
import type { ArchiveCode } from '../archive/finding.js';
import { FindingList, type Told } from '../finding.js';
import { printable } from '../printable.js';
import type { BagCode, TellBag } from './finding.js';
import { DECLARATION, DECLARATION_TEXT, INFO, MANIFEST, manifestOf, TAG_MANIFEST } from './layout.js';
import { type Digests, parseManifest } from './manifest.js';
import { readBag } from './read.js';

/** A bag as it was found. */
export interface Bag extends Told<BagCode | ArchiveCode> {
  /** SHA-256 of every file, recomputed: what an attestation of the manifests is compared with. */
  readonly digests: Digests;
}

/**
 * Holds the files of an archive to docs/spec/bag.md: every file is listed once, by the manifest that it belongs to, with the digest that it has. Reads every byte
 * of every file once, so a changed one is found here if nobody has changed the manifests too; those are what the attestation is about.
 * @param entries those of an archive without findings
 * @throws SourceFailed if the archive cannot be read any more
 */
export async function checkBag(entries: readonly ArchiveEntry[]): Promise<Bag> {
  const list = new FindingList<BagCode | ArchiveCode>();
  const { tell } = list;
  const { digests, held } = await readBag(entries, tell);
  for (const name of [DECLARATION, MANIFEST, TAG_MANIFEST])
    if (!digests.has(name)) tell({ code: 'BAG_MISSING', entry: name, expected: 'the file', found: 'none' });
  checkDeclaration(held.get(DECLARATION), tell);
  for (const manifest of [MANIFEST, TAG_MANIFEST] as const) {
    const text = held.get(manifest);
    if (text !== undefined)
      checkListed(manifest, { listed: parseManifest(text, { entry: manifest, tell }), digests, tell });
  }
  checkOtherManifests(digests, tell);
  checkOxum(entries, held.get(INFO), tell);
  const { findings, unlisted } = list;
  return { digests, findings, unlisted };
}

function checkDeclaration(text: string | undefined, tell: TellBag): void {
  if (text === undefined || text === DECLARATION_TEXT) return;
  tell({
    code: 'BAG_DECLARATION',
    entry: DECLARATION,
    expected: printable(DECLARATION_TEXT),
    found: printable(text),
  });
}

/** Every file that belongs to this manifest is listed by it, nothing else is, and the digests are those of the files. */
function checkListed(
  manifest: typeof MANIFEST | typeof TAG_MANIFEST,
  { listed, digests, tell }: { listed: Digests; digests: Digests; tell: TellBag },
): void {
  for (const [name, expected] of listed) {
    const entry = printable(name);
    const found = digests.get(name);
    if (manifestOf(name) !== manifest)
      tell({
        code: 'BAG_WRONG_MANIFEST',
        entry,
        expected: manifestOf(name) === undefined ? 'listed by no manifest' : `listed by ${manifestOf(name)}`,
        found: `listed by ${manifest}`,
      });
    else if (found === undefined)
      tell({ code: 'BAG_MISSING', entry, expected: `the file, as ${manifest} lists it`, found: 'none' });
    else if (found !== expected) tell({ code: 'BAG_DIGEST', entry, expected: `SHA-256 ${expected}`, found });
  }
  for (const name of digests.keys())
    if (manifestOf(name) === manifest && !listed.has(name))
      tell({ code: 'BAG_UNLISTED', entry: name, expected: `listed by ${manifest}`, found: 'listed nowhere' });
}

/** A manifest by another hash could list other files, and some readers would go by it. */
function checkOtherManifests(digests: Digests, tell: TellBag): void {
  for (const name of digests.keys())
    if (/^(tag)?manifest-[^/]*$/i.test(name) && name !== MANIFEST && name !== TAG_MANIFEST)
      tell({ code: 'BAG_OTHER_MANIFEST', entry: name, expected: 'manifests by SHA-256 alone', found: name });
}

/** `Payload-Oxum` (RFC 8493 §2.2.2) is what readers look at who do not recompute digests: bytes and number of the payload's files. */
function checkOxum(entries: readonly ArchiveEntry[], info: string | undefined, tell: TellBag): void {
  const payload = entries.filter(({ name }) => name.startsWith('data/'));
  const oxum = `${payload.reduce((sum, { size }) => sum + size, 0)}.${payload.length}`;
  for (const line of info?.split('\n') ?? [])
    if (/^payload-oxum\s*:/i.test(line) && line !== `Payload-Oxum: ${oxum}`)
      tell({ code: 'BAG_OXUM', entry: INFO, expected: `Payload-Oxum: ${oxum}`, found: printable(line) });
}
