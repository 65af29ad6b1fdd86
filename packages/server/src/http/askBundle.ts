import { downloadPath } from '@sworn/contract';
import type { Disclosure } from '@sworn/evidence';
import { type KeyCredential, nameOf } from '../access/credential.js';
import { type LinkedFile, linkText } from '../access/exportLink.js';
import { timestamp } from '../access/keys.js';
import { invalidParameter, Refusal } from '../access/refusal.js';
import type { ExportDesk } from '../export/exportDesk.js';
import type { KeptBundle } from '../export/keptBundles.js';
import type { AskBundle, AskedBundle } from '../read/runExport.js';
import { demandDisclosure, visiblePins } from './bundleGrant.js';
import { readableFiles } from './bundleFile.js';
import type { Admitted } from './order.js';
import type { QueryValues } from './query.js';

/** What asking for bundles needs. */
export interface BundleDeps {
  readonly exports: ExportDesk;
  readonly links: LinkDeps;
}

/** How bearer links are made. */
export interface LinkDeps {
  readonly key: Uint8Array;
  /** How long one holds; 0: none is made, and none is taken. */
  readonly seconds: number;
  /** The key of an id as it is now. @throws Refusal `not_authenticated`, `credential_expired`, `tenant_required` */
  readonly keyNamed: (tenantId: string, keyId: string) => Promise<KeyCredential>;
}

interface AskingDeps {
  readonly bundles: BundleDeps;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const NOTHING = { status: null, reason: null, retry_after: null, content_checksum: null, formats: [] };

/** Asks for bundles in the name of whoever was let in: GET has one built that is not there, HEAD looks. @throws Refusal */
export function askBundleFor(
  deps: AskingDeps,
  a: Pick<Admitted, 'grant' | 'credential' | 'caller'>,
  query: QueryValues,
): AskBundle {
  const { grant, credential, caller } = a;
  const disclosure = (query['disclose'] ?? 'none') as Disclosure;
  demandDisclosure(grant, disclosure);
  const linkOf = query['link'] === true ? linksOf(deps, a) : null;
  return async ({ runId, newest }) => {
    const asked = { tenantId: grant.tenantId, scope: { kind: 'RUN', runId }, disclosure } as const;
    const found = await deps.bundles.exports.identify(asked, newest);
    if (found.kind === 'refused') {
      if (found.reason === 'not_covered') return null;
      return { ...NOTHING, exportId: null, pins: [], status: 'FAILED', reason: found.reason };
    }
    const { identity, exportId } = found;
    const pins = visiblePins(grant, identity.pins);
    if (pins.length < identity.pins.length)
      return { ...NOTHING, exportId: null, pins, status: 'WITHHELD', reason: 'permission_denied' };
    const { method, source, purpose } = caller;
    const who = { method, source, purpose, credential: credential === null ? null : nameOf(credential) };
    const request = method === 'GET' ? { ...who, endpoint: 'llm_runs.export' } : null;
    const standing = await deps.bundles.exports.standing(asked, identity, request);
    const known = { ...NOTHING, exportId, pins };
    switch (standing.kind) {
      case 'ready':
        return { ...known, ...readyAs(standing.bundle, linkOf) };
      case 'failed':
        return { ...known, status: 'FAILED', reason: standing.reason, retry_after: standing.retryAfter };
      case 'pending':
        return { ...known, status: 'PENDING', retry_after: standing.retryAfter };
      case 'none':
        return { ...known, status: 'NONE', retry_after: standing.retryAfter };
      default:
        return standing satisfies never;
    }
  };
}

type Linked = (file: Pick<LinkedFile, 'exportId' | 'name'>) => { readonly path: string; readonly expires_at: string };

function readyAs(
  bundle: KeptBundle,
  linkOf: Linked | null,
): Pick<AskedBundle, 'status' | 'content_checksum' | 'formats'> {
  const { exportId } = bundle;
  return {
    status: 'READY',
    content_checksum: `sha256:${bundle.manifest}`,
    formats: readableFiles(bundle).map(({ format, file: { name, size, sha256 } }) => ({
      format,
      name,
      size,
      checksum: `sha256:${sha256}`,
      ...(linkOf?.({ exportId, name }) ?? { path: downloadPath(exportId, name), expires_at: null }),
    })),
  };
}

/** @throws Refusal */
function linksOf({ bundles, now }: AskingDeps, { credential, grant }: Pick<Admitted, 'grant' | 'credential'>): Linked {
  const { key, seconds } = bundles.links;
  if (seconds === 0)
    throw invalidParameter(
      'link',
      'this server makes none; SWORN_EXPORT_LINK_SECONDS says for how long they would hold',
    );
  // A session cannot be asked later whether it still holds; a key can.
  if (credential?.kind !== 'key')
    throw new Refusal('permission_denied', `${grant.rule.id}: link: links are for API keys`, { rule: grant.rule.id });
  const { tenantId, keyId, expiresAt } = credential;
  const until = Math.min(Math.floor(now() / 1_000) + seconds, Math.floor(expiresAt.getTime() / 1_000));
  return ({ exportId, name }) => ({
    path: `${downloadPath(exportId, name)}?link=${linkText(key, { tenantId, keyId, exportId, name, until })}`,
    expires_at: timestamp(until * 1_000),
  });
}
