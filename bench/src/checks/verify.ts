import { createPublicKey, verify } from 'node:crypto';
import { parseCheckpoint, parseVkey, unbase64, unhex, verifyInclusion, verifyNote } from '@sworn/evidence';
import { type LogKey, logKeys, openDeployment, readConfig } from '@sworn/server';
import type { Place } from '../server.js';

/** What of a proof in an answer is used. */
export interface AskedProof {
  readonly leaf_index: number;
  /** 32 bytes, hex. */
  readonly leaf_hash: string;
  readonly size: number;
  /** Base64. */
  readonly path: readonly string[];
  /** A signed note. */
  readonly checkpoint: string;
}

/** Verifies proofs as whoever got them would, from the text on. */
export interface ProofVerifier {
  /** Whether the leaf lies under the root that the checkpoint names. */
  path(proof: AskedProof): boolean;
  /** The same, and that the log's key signed the checkpoint. */
  signed(proof: AskedProof): boolean;
}

/** A verifier that pins the newest key of a log. */
export async function openVerifier(
  place: Place,
  { tenant, log }: { readonly tenant: string; readonly log: string },
): Promise<ProofVerifier> {
  const { vkey, pem } = await keyOf(place, tenant, log);
  const pinned = parseVkey(vkey);
  const key = createPublicKey(pem);
  const holds = ({ leaf_index: index, leaf_hash: leafHash, size, path }: AskedProof, root: Uint8Array): boolean =>
    verifyInclusion({ index, size, leafHash: unhex(leafHash), path: path.map(unbase64), root });
  return {
    path: (proof) => holds(proof, parseCheckpoint(proof.checkpoint).root),
    signed(proof) {
      const { note, root } = parseCheckpoint(proof.checkpoint);
      return (
        verifyNote(note, pinned, (_, message, signature) => verify(null, message, key, signature)) && holds(proof, root)
      );
    },
  };
}

async function keyOf(place: Place, tenant: string, log: string): Promise<LogKey> {
  const deployment = await openDeployment(readConfig(place.env), { database: 'beside', mustExist: true });
  try {
    const origin = deployment.originOf(tenant, log);
    const key = (await logKeys(deployment, tenant)).findLast((one) => one.origin === origin);
    if (key === undefined) throw new Error(`no key signs ${origin}`);
    return key;
  } finally {
    await deployment.close();
  }
}
