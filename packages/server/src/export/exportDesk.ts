import { Refusal } from '../access/refusal.js';
import { breather, Stopped } from '../check/breather.js';
import { type BuildQueue, type BuildQueueDeps, createBuildQueue } from './buildQueue.js';
import { findIdentity } from './core.js';
import { type ExportingDeps, type ExportRequest, exportRun, recordFailure, recordRequest } from './exportRun.js';
import { exportIdOf, type Identity } from './identity.js';
import { type KeptBundle, KeptBundleDamaged, type KeptBundles } from './keptBundles.js';
import { StoreFailed } from './objectStore.js';
import type { ExportAsked } from './kinds.js';
import { ExportRefused, failureOf } from './refused.js';

/** Which bundle it would be, or why there cannot be one. */
export type Identified =
  | { readonly kind: 'identity'; readonly identity: Identity; readonly exportId: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** How a bundle stands. */
export type BundleStanding =
  | { readonly kind: 'ready'; readonly bundle: KeptBundle }
  /** `none`: nobody asked that it be built. */
  | { readonly kind: 'none' | 'pending'; readonly retryAfter: number }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfter: number };

/** Bundles as they are asked for over HTTP: built once for an identity, kept, and read from there. */
export interface ExportDesk {
  /** Of a run that is sealed and covered; `newest` is the hash of its newest RUN leaf, hex, by which it is remembered. @throws Refusal `unavailable` */
  identify(asked: ExportAsked, newest: string): Promise<Identified>;
  /**
   * How the bundle of an identity stands; one that is neither kept nor pending is queued in the name of `request`, and on record as asked for when this
   * resolves. Null: nothing is queued. @throws Refusal `unavailable`: too many wait, the store is away, or it cannot be recorded
   */
  standing(asked: ExportAsked, identity: Identity, request: ExportRequest | null): Promise<BundleStanding>;
  /** A bundle that is kept; null: none is, or it is not to be opened any more. @throws Refusal `unavailable` */
  find(tenantId: string, exportId: string): Promise<KeptBundle | null>;
  /** Ends builds under way; what waited is queued anew by whoever asks next. */
  stop(): Promise<void>;
}

/** What the desk needs. */
export interface ExportDeskDeps extends Pick<BuildQueueDeps, 'takeTurn' | 'giveTurn' | 'tell'> {
  readonly exporting: ExportingDeps;
  readonly kept: KeptBundles;
}

/** Whoever asks over HTTP is not told how far it is. */
const SILENT = { onLooked: () => undefined, onRun: () => undefined };
/** Identities that are remembered: each is found by reading its run whole. About 500 bytes each. */
const IDENTITIES_HELD = 2_048;
/** Seconds after which a pending bundle is asked for again: a small one is there then. */
const PENDING_RETRY_SECONDS = 2;
/** Seconds after which somebody asks again who found the queue full. */
const FULL_RETRY_SECONDS = 30;

export function createExportDesk(deps: ExportDeskDeps): ExportDesk {
  const { exporting, kept } = deps;
  const stopping = new AbortController();
  const queue: BuildQueue = createBuildQueue({ ...deps, now: () => performance.now() });
  /** Bundles that were queued and are not on record as asked for yet. */
  const recording = new Map<string, Promise<void>>();
  const identities = new Map<string, Promise<Identified>>();

  function identify(asked: ExportAsked, newest: string): Promise<Identified> {
    const name = JSON.stringify([asked, newest]);
    const known = identities.get(name);
    if (known !== undefined) return known;
    const look = lookUp(asked);
    const [oldest] = identities.keys();
    if (identities.size >= IDENTITIES_HELD && oldest !== undefined) identities.delete(oldest);
    identities.set(name, look);
    const forget = (): void => void (identities.get(name) === look && identities.delete(name));
    // What another log waits for, or what was damaged, may be otherwise the next time.
    look.then(({ kind }) => kind === 'refused' && forget(), forget);
    return look;
  }

  async function lookUp(asked: ExportAsked): Promise<Identified> {
    try {
      const { identity } = await findIdentity(exporting.read, asked, SILENT);
      return { kind: 'identity', identity, exportId: exportIdOf(identity) };
    } catch (error) {
      // Of damage the description says that there is some, and shows no leaf: it may be of a log that whoever asks may not see.
      if (error instanceof ExportRefused) return { kind: 'refused', reason: error.code };
      if (error instanceof Refusal && error.code === 'evidence_compromised')
        return { kind: 'refused', reason: error.code };
      throw error;
    }
  }

  async function standing(
    asked: ExportAsked,
    identity: Identity,
    request: ExportRequest | null,
  ): Promise<BundleStanding> {
    const exportId = exportIdOf(identity);
    const { tenantId } = asked;
    const before = await queued(tenantId, exportId);
    if (before !== null) return before;
    try {
      const found = await kept.find(tenantId, exportId);
      if (found.kind === 'kept') return { kind: 'ready', bundle: found.bundle };
    } catch (error) {
      if (!(error instanceof KeptBundleDamaged)) throw unkept(deps, error);
      deps.tell(error, 'a kept bundle is damaged');
      return { kind: 'failed', reason: 'kept_damaged', retryAfter: FULL_RETRY_SECONDS };
    }
    if (request === null) return { kind: 'none', retryAfter: PENDING_RETRY_SECONDS };
    enqueue(asked, identity, request);
    return (await queued(tenantId, exportId)) ?? { kind: 'pending', retryAfter: PENDING_RETRY_SECONDS };
  }

  /** As the queue has it, once what it says is on record; null: it is not there. */
  async function queued(tenantId: string, exportId: string): Promise<BundleStanding | null> {
    await recording.get(`${tenantId}/${exportId}`);
    const at = queue.standing(tenantId, exportId);
    if (at.kind === 'none') return null;
    if (at.kind === 'pending') return { kind: 'pending', retryAfter: PENDING_RETRY_SECONDS };
    const retryAfter = Math.max(1, Math.ceil((at.retryAt - performance.now()) / 1_000));
    return { kind: 'failed', reason: failureOf(at.error).reason ?? 'internal', retryAfter };
  }

  /** Nothing is waited for between the look at the queue and the place in it. */
  function enqueue(asked: ExportAsked, identity: Identity, request: ExportRequest): void {
    const exportId = exportIdOf(identity);
    const name = `${asked.tenantId}/${exportId}`;
    if (queue.standing(asked.tenantId, exportId).kind !== 'none') return;
    const recorded = recordRequest(exporting, identity, request).catch((cause: unknown) => {
      throw Object.assign(new Refusal('unavailable', 'the export could not be recorded, so it is not begun'), {
        cause,
      });
    });
    const build = { tenantId: asked.tenantId, name: exportId, build: () => built(asked, identity, request, recorded) };
    if (!queue.add(build)) {
      recorded.catch(() => undefined);
      throw new Refusal('unavailable', 'more exports wait than can be built soon', { retryAfter: FULL_RETRY_SECONDS });
    }
    const over = (): void => void recording.delete(name);
    recording.set(name, recorded);
    recorded.then(over, over);
  }

  async function built(
    asked: ExportAsked,
    identity: Identity,
    request: ExportRequest,
    recorded: Promise<void>,
  ): Promise<void> {
    // What could not be recorded was refused to whoever asked: it is not built, and has not failed.
    if (
      !(await recorded.then(
        () => true,
        () => false,
      ))
    )
      return;
    const { tenantId } = asked;
    // Another process may have built it while this one waited.
    const found = await kept.find(tenantId, exportIdOf(identity));
    if (found.kind === 'kept') return;
    const breathe = breatherOf(stopping.signal);
    const made = await exportRun(exporting, asked, request, { expected: identity, breathe });
    try {
      const { exportId, core, files } = made;
      await kept.keep(tenantId, exportId, { keyIds: core.keyIds, manifest: core.manifest, files });
    } catch (error) {
      const failure = error instanceof ExportRefused ? error : new ExportRefused('not_kept', 'it could not be kept');
      await recordFailure(exporting, identity, request, failure);
      throw Object.assign(failure, { cause: error });
    } finally {
      await made.core.close();
    }
  }

  return {
    identify,
    standing,
    async find(tenantId, exportId) {
      try {
        const found = await kept.find(tenantId, exportId);
        return found.kind === 'kept' ? found.bundle : null;
      } catch (error) {
        throw unkept(deps, error);
      }
    },
    async stop() {
      stopping.abort();
      await queue.stop();
    },
  };
}

/** The store is away, or has something else than what was kept there. */
function unkept({ tell }: ExportDeskDeps, error: unknown): unknown {
  if (!(error instanceof StoreFailed) && !(error instanceof KeptBundleDamaged)) return error;
  tell(error, 'the store of bundles does not do what it should');
  return Object.assign(new Refusal('unavailable', 'the store of bundles is away'), { cause: error });
}

/** Rests of a build; one that is to end is refused at its next. */
function breatherOf(stopping: AbortSignal): () => Promise<void> | null {
  const breathe = breather(stopping);
  return () =>
    breathe()?.catch((error: unknown) => {
      throw error instanceof Stopped ? new ExportRefused('stopped', 'the server stops') : error;
    }) ?? null;
}
