import type { DataKey } from '../record/body.js';
import { type DataKeys, dayScope } from '../record/dataKeys.js';
import { SealBroken } from './chunkSeal.js';
import { type KeptIndex, KeptMalformed, openBundle, readStart, sealBundle, storedSize } from './keptFormat.js';
import { type ObjectStore, StoreFailed } from './objectStore.js';
import { ExportRefused } from './refused.js';
import type { StreamedFile } from './zipArchive.js';

/** Bundles that were made and are kept, each under a key that is gone when any data key of what is in it is. */
export interface KeptBundles {
  /**
   * Keeps a bundle once. One of that id that is there already stays, and is the answer; but for one that nothing opens any more, whose place it takes.
   * @throws ExportRefused `erased`: a data key was destroyed since the bundle was begun; StoreFailed; KeptBundleDamaged
   */
  keep(tenantId: string, exportId: string, made: MadeBundle): Promise<KeptBundle>;
  /** @throws StoreFailed; KeptBundleDamaged */
  find(tenantId: string, exportId: string): Promise<FoundBundle>;
  /** Done as well when none is kept. @throws StoreFailed */
  remove(tenantId: string, exportId: string): Promise<void>;
  /** Removes what was kept before a time (milliseconds since 1970) and what killed writers left; names each bundle it removed. @throws StoreFailed */
  sweep(before: number): AsyncIterable<SweptBundle>;
}

/** A bundle that was just made. */
export interface MadeBundle {
  /** The data keys of what is in it: `Core.keyIds`. */
  readonly keyIds: readonly string[];
  /** SHA-256 of `manifest-sha256.txt`, hex. */
  readonly manifest: string;
  /** With the attestation. */
  readonly files: readonly StreamedFile[];
}

/** `key_destroyed`: one is there, and nothing opens it any more. */
export type FoundBundle =
  | { readonly kind: 'kept'; readonly bundle: KeptBundle }
  | { readonly kind: 'none' }
  | { readonly kind: 'key_destroyed' };

/** A bundle that is kept: one ZIP, its bytes the same whenever they are read. */
export interface KeptBundle extends KeptIndex {
  readonly exportId: string;
  /** Of the ZIP, in bytes. */
  readonly size: number;
  /**
   * Bytes of the ZIP from `from` up to `to`, opened and authenticated piece by piece, in bounded memory.
   * @throws KeptBundleDamaged before the first byte that is not what was kept; StoreFailed
   */
  read(from: number, to: number): AsyncIterable<Uint8Array>;
}

/** A bundle that was kept long enough. */
export interface SweptBundle {
  readonly tenantId: string;
  readonly exportId: string;
  /** Milliseconds since 1970. */
  readonly keptAt: number;
}

/** What the store gives back is not what was kept there. */
export class KeptBundleDamaged extends Error {
  override readonly name = 'KeptBundleDamaged';

  constructor(name: string, detail: string) {
    super(
      `the kept bundle ${name} is not what was kept (${detail}): remove it, and whoever asks next has it made anew`,
    );
  }
}

/** What keeping needs. */
export interface KeptBundlesDeps {
  readonly store: ObjectStore;
  /** As the recorder may use them. */
  readonly dataKeys: Pick<DataKeys, 'open' | 'forScopes'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** How often one is kept anew that another process removed at that moment. */
const TRIES = 3;

export function createKeptBundles({ store, dataKeys, now }: KeptBundlesDeps): KeptBundles {
  async function keep(tenantId: string, exportId: string, made: MadeBundle): Promise<KeptBundle> {
    const name = objectName(tenantId, exportId);
    if (name === null) throw new Error('not the id of an export');
    for (let tries = 0; ; tries++) {
      // Looked for after it was put as well: who is told that it is kept can have it.
      const found = await find(tenantId, exportId);
      if (found.kind === 'kept') return found.bundle;
      if (tries === TRIES) throw new ExportRefused('erased', `export ${exportId} was removed each time it was kept`);
      if (found.kind === 'key_destroyed') await store.remove(name);
      const { size, chunks } = sealBundle({ tenantId, exportId, keys: await keysOf(tenantId, made.keyIds), made });
      await store.put(name, size, chunks);
    }
  }

  /** Of a bundle without any, the key of this day for the tenant's own records: no body of anybody is in it, and it is no open file all the same. */
  async function keysOf(tenantId: string, ids: readonly string[]): Promise<readonly DataKey[]> {
    if (ids.length === 0) {
      const today = dayScope('access', null, new Date(now()).toISOString().slice(0, 10));
      return [...(await dataKeys.forScopes(tenantId, [today])).values()];
    }
    const keys = await dataKeys.open(tenantId, ids);
    if (keys.size < new Set(ids).size)
      throw new ExportRefused('erased', 'some of it was erased while it was exported: ask again for what is left');
    return [...keys.values()];
  }

  async function find(tenantId: string, exportId: string): Promise<FoundBundle> {
    const name = objectName(tenantId, exportId);
    const stored = name === null ? null : await store.size(name);
    if (name === null || stored === null) return { kind: 'none' };
    const damaged = (detail: string) => new KeptBundleDamaged(name, detail);
    const read = (from: number, to: number) => store.read(name, from, to);
    try {
      const start = await readStart(read);
      const { header } = start;
      if (header.tenantId !== tenantId || header.exportId !== exportId) throw damaged('it is another one');
      if (storedSize(start) !== stored) throw damaged(`it has ${stored} bytes and not ${storedSize(start)}`);
      const keys = await dataKeys.open(tenantId, header.keyIds);
      if (keys.size < new Set(header.keyIds).size) return { kind: 'key_destroyed' };
      const opened = openBundle(start, [...keys.values()], read);
      if (opened === null) throw damaged('its key does not open');
      const index = await opened.index();
      return {
        kind: 'kept',
        bundle: {
          ...index,
          exportId,
          size: header.size,
          async *read(from, to) {
            try {
              yield* opened.read(from, to);
            } catch (error) {
              throw error instanceof SealBroken ? damaged(error.message) : error;
            }
          },
        },
      };
    } catch (error) {
      if (error instanceof SealBroken || error instanceof KeptMalformed) throw damaged(error.message);
      // Removed between two looks at it.
      if (error instanceof StoreFailed && error.code === 'gone') return { kind: 'none' };
      throw error;
    }
  }

  async function* sweep(before: number): AsyncGenerator<SweptBundle> {
    await store.sweepDrafts();
    for await (const { name, writtenAt } of store.list('')) {
      const [tenantId = '', exportId = ''] = name.split('/');
      if (objectName(tenantId, exportId) !== name || writtenAt >= before) continue;
      await store.remove(name);
      yield { tenantId, exportId, keptAt: writtenAt };
    }
  }

  return {
    keep,
    find,
    async remove(tenantId, exportId) {
      const name = objectName(tenantId, exportId);
      if (name !== null) await store.remove(name);
    },
    sweep,
  };
}

/** Null: nothing is kept under such ids. What stands in the path of a request comes here. */
function objectName(tenantId: string, exportId: string): string | null {
  const known = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(tenantId) && /^exp_[0-9a-f]{32}$/.test(exportId);
  return known ? `${tenantId}/${exportId}` : null;
}
