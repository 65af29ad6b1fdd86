import {
  canonicalize,
  decodeLeaf,
  equalBytes,
  fromUtf8,
  type JsonValue,
  leafHash,
  Malformed,
  parseAttestation,
  parseCheckpoint,
  type ReadAttestation,
  sha256,
  type Statement,
  topicOfLog,
  unhex,
  utf8,
  verifyInclusion,
  type Vkey,
} from '@sworn/evidence';
import { type BundleFiles, reading, textOf } from './files.js';
import type { TellBundle } from './finding.js';
import { signerOf, type VerifySignature } from '../signature.js';
import { keysFor } from './keys.js';
import { rulesOf } from './kinds.js';

const ENTRY = 'attestation.dsse.json';
const MAX_BYTES = 16 << 20;
/** A line for each file. */
const MAX_MANIFEST_BYTES = 4 << 20;

/**
 * Holds the attestation against the manifests, and the record of the export in it against the log that it stands in. Resolves to the id of the export;
 * null: there is none, or it is not sound, which is told.
 */
export async function checkAttestation(
  statement: Statement,
  files: BundleFiles,
  { keys, verify }: { readonly keys: readonly Vkey[]; readonly verify: VerifySignature },
  tell: TellBundle,
): Promise<string | null> {
  if (!files.has(ENTRY)) return null;
  const text = await textOf(files, ENTRY, { maxBytes: MAX_BYTES, tell });
  const read = text === null ? null : reading('ATTESTATION_MALFORMED', ENTRY, tell, () => parseAttestation(text));
  if (read === null) return null;
  let isSound = true;
  const wrong = (code: 'ATTESTATION_DIFFERS' | 'ATTESTATION_UNSIGNED', expected: string, found: string) => {
    isSound = false;
    tell({ code, entry: ENTRY, expected, found });
  };
  for (const [name, digest] of [
    ['manifest-sha256.txt', read.manifest],
    ['tagmanifest-sha256.txt', read.tagManifest],
  ] as const) {
    const manifest = await textOf(files, name, { maxBytes: MAX_MANIFEST_BYTES, tell });
    if (manifest !== null && !equalBytes(sha256(utf8(manifest)), bytesOf(digest)))
      wrong('ATTESTATION_DIFFERS', `the digest of ${name}`, digest);
  }
  if (!(await verify(read.signedBy, read.message, read.signature)))
    wrong('ATTESTATION_UNSIGNED', 'a signature of the key that it names', 'another');
  const leaf = reading('ATTESTATION_MALFORMED', ENTRY, tell, () => decodeLeaf(read.leaf.bytes));
  if (leaf === null) return null;
  const f = leaf.fields;
  const [first] = statement.logs;
  const origin = `${first?.origin.split('/')[0] ?? ''}/${statement.scope.tenant_id}/${read.leaf.log}`;
  const { run_id, scope } = rulesOf(statement).recordedAs(statement);
  const said = [
    leaf.log,
    leaf.kind,
    leaf.by,
    f.export_id,
    f.manifest,
    f.tag_manifest,
    f.run_id,
    f.scope,
    f.disclosure,
    f.pins,
  ];
  const expected = [
    origin,
    'EXPORT_COMPLETED',
    'sworn',
    read.exportId,
    read.manifest,
    read.tagManifest,
    run_id,
    scope,
    statement.disclosure,
    statement.logs.map(({ log, size }) => ({ log, size })),
  ];
  if (textOfAll(said) !== textOfAll(expected)) wrong('ATTESTATION_DIFFERS', 'the record of this export', 'of another');
  if (typeof f.attested_by !== 'string' || !equalBytes(bytesOf(f.attested_by), read.signedBy))
    wrong('ATTESTATION_UNSIGNED', 'the key that the record of the export names', 'another');
  if (topicOfLog(read.leaf.log) !== 'access' || !(await isProven(read, origin, { keys, verify })))
    wrong('ATTESTATION_UNSIGNED', `a record that lies under a signed checkpoint of ${origin}`, 'another');
  return isSound ? read.exportId : null;
}

/** Members of a leaf in one spelling; one that is absent is null. */
function textOfAll(values: readonly (JsonValue | undefined)[]): string {
  return fromUtf8(canonicalize(values.map((value) => value ?? null)));
}

async function isProven(
  { leaf }: ReadAttestation,
  origin: string,
  { keys, verify }: { readonly keys: readonly Vkey[]; readonly verify: VerifySignature },
): Promise<boolean> {
  try {
    const checkpoint = parseCheckpoint(leaf.checkpoint);
    const { size, root } = checkpoint;
    const signedBy = await signerOf(checkpoint, keysFor(keys, origin), verify);
    const claim = { index: leaf.index, size, leafHash: leafHash(leaf.bytes), path: leaf.path, root };
    return signedBy !== null && checkpoint.origin === origin && verifyInclusion(claim);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return false;
  }
}

function bytesOf(hexText: string): Uint8Array {
  return /^[0-9a-f]{64}$/.test(hexText) ? unhex(hexText) : new Uint8Array();
}
