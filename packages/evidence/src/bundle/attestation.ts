import { base64, fromUtf8, unbase64, unhex, utf8, concat, equalBytes, hex } from '../bytes.js';
import type { JsonObject, JsonValue } from '../json.js';
import { parseStrict } from '../jsonReader.js';
import { canonicalize } from '../jsonWriter.js';
import { Malformed } from '../malformed.js';

/** in-toto Statement v1, in a DSSE envelope. */
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** What the statement says of its subjects: docs/spec/bundle.md, "The attestation". */
export const ATTESTATION_TYPE = 'urn:sworn:bundle-attestation:1';

/** A record of who had to do with exports of the same run. */
export interface CustodyEntry {
  readonly kind: string;
  readonly recorded_at: string;
  readonly export_id: string;
  /** Id of the key, token of the human, or null: a command at the server. */
  readonly actor: string | null;
  readonly leaf_index: number;
  readonly checksum: string;
}

/** What is attested of a bundle: when and for whom it was made, and who had to do with it before. */
export interface Attested {
  /** SHA-256 of the two manifests, hex. */
  readonly manifest: string;
  readonly tagManifest: string;
  readonly exportId: string;
  readonly custody: readonly CustodyEntry[];
  /** The EXPORT_COMPLETED leaf, and its proof. */
  readonly leaf: {
    readonly log: string;
    readonly index: number;
    readonly bytes: Uint8Array;
    readonly path: readonly Uint8Array[];
    readonly checkpoint: string;
  };
}

/** A key that signs attestations. */
export interface AttestationKey {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** `attestation.dsse.json`. */
export function attestationText(attested: Attested, key: AttestationKey): string {
  const { manifest, tagManifest, exportId, custody, leaf } = attested;
  const payload = canonicalize({
    _type: STATEMENT_TYPE,
    subject: [
      { name: 'manifest-sha256.txt', digest: { sha256: manifest } },
      { name: 'tagmanifest-sha256.txt', digest: { sha256: tagManifest } },
    ],
    predicateType: ATTESTATION_TYPE,
    predicate: {
      export_id: exportId,
      custody: custody.map((entry) => ({ ...entry })),
      leaf: {
        log: leaf.log,
        index: leaf.index,
        leaf: base64(leaf.bytes),
        path: leaf.path.map(base64),
        checkpoint: leaf.checkpoint,
      },
    },
  });
  const signature = key.sign(preAuthEncoding(payload));
  const envelope = canonicalize({
    payloadType: PAYLOAD_TYPE,
    payload: base64(payload),
    signatures: [{ keyid: hex(key.publicKey), sig: base64(signature) }],
  });
  return `${fromUtf8(envelope)}\n`;
}

/** An attestation as read, and who signed it. */
export interface ReadAttestation extends Attested {
  readonly signedBy: Uint8Array;
  /** What that key has to have signed for the attestation to count, and its Ed25519 signature (64 bytes), which is not verified yet. */
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads an attestation; one that is not written as `attestationText` writes it is refused. Nothing is verified; that its key is one to believe is said by the leaf in it.
 * @throws Malformed `attestation`, `base64`, `hex`, and what parsers of JSON refuse with
 */
export function parseAttestation(text: string): ReadAttestation {
  const bytes = utf8(text);
  const envelope = objectOf(parseStrict(bytes.subarray(0, -1)));
  const [signature] = listOf(envelope.signatures).map(objectOf);
  if (!text.endsWith('\n') || envelope.payloadType !== PAYLOAD_TYPE || signature === undefined)
    throw wrong('not a DSSE envelope of an in-toto statement');
  const payload = unbase64(textOf(envelope.payload));
  const signedBy = unhex(textOf(signature.keyid));
  const statement = objectOf(parseStrict(payload));
  const [manifest, tagManifest] = listOf(statement.subject).map((subject) => objectOf(objectOf(subject).digest).sha256);
  const predicate = objectOf(statement.predicate);
  const leaf = objectOf(predicate.leaf);
  const attested: Attested = {
    manifest: textOf(manifest),
    tagManifest: textOf(tagManifest),
    exportId: textOf(predicate.export_id),
    custody: listOf(predicate.custody).map((entry) => objectOf(entry) as unknown as CustodyEntry),
    leaf: {
      log: textOf(leaf.log),
      index: countOf(leaf.index),
      bytes: unbase64(textOf(leaf.leaf)),
      path: listOf(leaf.path).map((hash) => unbase64(textOf(hash))),
      checkpoint: textOf(leaf.checkpoint),
    },
  };
  const sig = unbase64(textOf(signature.sig));
  if (signedBy.length !== 32 || sig.length !== 64) throw wrong('not an Ed25519 signature');
  const again = attestationText(attested, { publicKey: signedBy, sign: () => sig });
  if (!equalBytes(utf8(again), bytes)) throw wrong('not written as this format writes it');
  return { ...attested, signedBy, message: preAuthEncoding(payload), signature: sig };
}

/** DSSE v1: what is signed. */
function preAuthEncoding(payload: Uint8Array): Uint8Array {
  return concat(utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a member is no object');
  return value as JsonObject;
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (!Array.isArray(value)) throw wrong('a member is no list');
  return value;
}

function textOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string') throw wrong('a member is no text');
  return value;
}

function countOf(value: JsonValue | undefined): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong('a member is no count');
  return value;
}

function wrong(detail: string): Malformed {
  return new Malformed('attestation', detail);
}
