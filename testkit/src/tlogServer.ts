import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  checkpointBody,
  concat,
  formatNote,
  leafHash,
  parseTilePath,
  TILE_WIDTH,
  tileWidth,
  treeHash,
  utf8,
  vkeyOf,
} from '@sworn/evidence';

/** A log's signing key, in the hands of whoever runs the test: forks are made with the real key. */
export interface LogKeyPair {
  readonly origin: string;
  /** The line that a watcher pins. */
  readonly vkey: string;
  /** The signed note of any text. */
  note(text: string): string;
  /** The signed checkpoint of the first `size` leaves, all of them unless told otherwise. */
  checkpoint(leafHashes: readonly Uint8Array[], size?: number): string;
}

/** A new key for `origin`. */
export function logKeyPair(origin: string): LogKeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const note = (text: string): string =>
    formatNote(text, [{ name: origin, publicKey: raw, sign: (message) => sign(null, message, privateKey) }]);
  return {
    origin,
    vkey: vkeyOf(origin, raw),
    note,
    checkpoint: (leafHashes, size = leafHashes.length) =>
      note(checkpointBody({ origin, size, root: treeHash(leafHashes.slice(0, size)) })),
  };
}

/** Leaf hashes of a made-up history: those below `forkedAt` are the same for every `name`. */
export function madeUpLeaves(count: number, name = '', forkedAt = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => leafHash(utf8(`${index < forkedAt ? '' : name} ${index}`)));
}

/** A server of C2SP tlog-tiles paths that can be made to say anything. */
export interface TlogServer {
  /** Base of the log, without a slash at the end. */
  readonly url: string;
  /** Paths asked for so far, relative to the base, with their credentials. */
  readonly asked: { readonly path: string; readonly authorization: string | null }[];
  /** From now on serves this note, and tiles of this tree. */
  show(note: string, leafHashes: readonly Uint8Array[]): void;
  /** Answers one path in another way; null: as before. */
  answer(path: string, respond: ((response: ServerResponse) => void) | null): void;
  close(): Promise<void>;
}

/** Starts one on a free port of loopback. */
export async function tlogServer(): Promise<TlogServer> {
  const others = new Map<string, (response: ServerResponse) => void>();
  const asked: TlogServer['asked'] = [];
  let shown: { readonly note: string; readonly leafHashes: readonly Uint8Array[] } | null = null;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? '').replace(/^\/log\//, '');
    asked.push({ path, authorization: request.headers.authorization ?? null });
    const other = others.get(path);
    if (other !== undefined) return other(response);
    const body = shown === null ? null : path === 'checkpoint' ? shown.note : tileAt(path, shown.leafHashes);
    response.writeHead(body === null ? 404 : 200).end(body ?? '');
  });
  await listening(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`,
    asked,
    show: (note, leafHashes) => void (shown = { note, leafHashes }),
    answer: (path, respond) => void (respond === null ? others.delete(path) : others.set(path, respond)),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

/** The tile a path names, of this tree and width exactly; null when there is none. */
function tileAt(path: string, leafHashes: readonly Uint8Array[]): Uint8Array | null {
  const tile = parseTilePath(path);
  if (tile === null || tile.level === 'entries') return null;
  const { level, index, width } = tile;
  if (width > tileWidth(level, index, leafHashes.length)) return null;
  const span = TILE_WIDTH ** level;
  const first = index * TILE_WIDTH;
  return concat(
    ...Array.from({ length: width }, (_, i) => treeHash(leafHashes.slice((first + i) * span, (first + i + 1) * span))),
  );
}
