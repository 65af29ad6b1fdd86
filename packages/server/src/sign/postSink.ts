import { type Checkpoint, fromUtf8, Malformed, parseCheckpoint } from '@sworn/evidence';
import type { PostSinkAddress } from '../sinkAddress.js';
import { contradictionTo, type Delivery, type HeldAgainst, type Offered, type Sink, SinkFailure } from './sink.js';

/** For one answer, its body included. */
const ANSWER_MS = 10_000;
/** A note has some 300 bytes. */
const MAX_ANSWER_BYTES = 64 << 10;

/**
 * A server that takes each checkpoint as a POST of the note: 2xx confirms it. 409 with a note of ours as its body says that it holds that one
 * instead. Redirects are not followed: the credential is for this server.
 */
export function openPostSink({ name, url, token, outside }: PostSinkAddress, against: HeldAgainst): Sink {
  return {
    name,
    outside,
    async deliver(offered, stopping) {
      const response = await fetch(url, {
        method: 'POST',
        body: offered.note,
        redirect: 'manual',
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          'sworn-origin': offered.origin,
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        },
        signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS), stopping]),
      });
      if (response.status === 409) return heldInstead(against, offered, await bodyOf(response));
      await response.body?.cancel();
      if (!response.ok) throw new SinkFailure(`answered ${response.status}`);
      return { kind: 'confirmed' };
    },
    origins: () => Promise.resolve([]),
  };
}

/** @throws Error when what it says it holds is not of this log and ours: then it says nothing; also when there is no contradiction in it. */
async function heldInstead(against: HeldAgainst, offered: Offered, bytes: Uint8Array): Promise<Delivery> {
  const said = checkpointIn(bytes);
  if (said === null || !(await against.isOurs(offered, said.checkpoint, said.note)))
    throw new SinkFailure('answered 409 without a checkpoint of ours');
  const how = await contradictionTo(against, said.checkpoint, offered);
  if (how === null) throw new SinkFailure('answered 409 with a checkpoint that ours continues');
  return { kind: 'contradicted', how, held: said.checkpoint };
}

function checkpointIn(bytes: Uint8Array): { readonly checkpoint: Checkpoint; readonly note: string } | null {
  try {
    const note = fromUtf8(bytes);
    return { checkpoint: parseCheckpoint(note), note };
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

async function bodyOf({ body }: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > MAX_ANSWER_BYTES) throw new SinkFailure('answered more than a note');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
