import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { attestationText, BUNDLE_FORMAT, type CustodyEntry, hex, inclusionProof } from '@sworn/evidence';
import { type AccessEvent, type AccessRecordDeps, accessLeaf, type ExportKind } from '../access/accessRecord.js';
import type { NamedCredential } from '../access/credential.js';
import { type Append, timestamp } from '../access/keys.js';
import { checkBytes } from '../read/check.js';
import { coverOf } from '../read/settled.js';
import { overTiles } from '../read/tiles.js';
import type { HeldSigningKey } from '../record/signingKeyFiles.js';
import { inTenant } from '../store/database.js';
import { findExportsOfRun, findRecordsOfExport } from '../store/exportRecords.js';
import { readExportedLeaves } from '../store/exporting.js';
import { readLeafAt } from '../store/steps.js';
import { type Build, buildCore, type Core, type ExportDeps } from './core.js';
import { exportIdOf, type Identity, identityOf, recordedScope } from './identity.js';
import { type ExportAsked, filtersOf } from './kinds.js';
import { ExportRefused, failureOf } from './refused.js';
import { archiveSize, type StreamedFile } from './zipArchive.js';

/** What exporting needs beside what building does. */
export interface ExportingDeps extends ExportDeps {
  readonly accessRecords: AccessRecordDeps;
  /** Through the recorder's own sequencer. */
  readonly append: Append;
  readonly attestation: HeldSigningKey;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** `MAX_ARCHIVE_BYTES` unless told otherwise. */
  readonly maxArchiveBytes?: number;
}

/** Who asks, and how. */
export interface ExportRequest {
  readonly endpoint: string;
  readonly method: string;
  readonly credential: NamedCredential | null;
  readonly source: string;
  readonly purpose: string | null;
}

/** A bundle, ready to be archived. The caller closes it. */
export interface RunExported {
  readonly exportId: string;
  readonly core: Core;
  /** With the attestation. */
  readonly files: readonly StreamedFile[];
  /** Null: no checkpoint covered the record of its making in time. */
  readonly attestation: string | null;
}

/** docs/spec/archive.md: a larger one would need a second place for sizes and offsets. */
const MAX_ARCHIVE_BYTES = 0xffff_fffe;
/** Of it, what is left free for an attestation, which is made last: a thousand entries of custody are half of that. */
const ATTESTATION_BYTES = 1 << 20;
/** Records of earlier exports that an attestation names. */
const MAX_CUSTODY = 1_000;
/** How long a build waits for the checkpoint over the record of its making: the signer signs each log at most once a second. */
const MAX_WAIT_MS = 15_000;
const LOOK_EVERY_MS = 250;

/** How a bundle is built. */
export interface Exporting extends Omit<Build, 'onIdentity'> {
  /** What was asked for, and is on record as that: when the run has become another meanwhile, it is not built. */
  readonly expected?: Identity;
}

/**
 * Builds a bundle, records who asked for it and that it was built, and has it attested. Nothing of it may leave before `recordDelivery`.
 * @throws Refusal, ExportRefused; what failed is recorded too, and what was refused before anything was found as a refused attempt
 */
export async function exportRun(
  deps: ExportingDeps,
  asked: ExportAsked,
  request: ExportRequest,
  { expected, ...build }: Exporting = {},
): Promise<RunExported> {
  let event = expected === undefined ? null : eventsOf(deps, expected, request);
  const onIdentity = async (identity: Identity): Promise<void> => {
    if (expected !== undefined && exportIdOf(expected) !== exportIdOf(identity))
      throw new ExportRefused('superseded', 'what it is of has changed since it was asked for: ask again');
    event = eventsOf(deps, identity, request);
    await append(deps, event('EXPORT_PENDING'));
  };
  // Set by the callback, which the compiler does not follow.
  const begun = () => event;
  const core = await buildArchivable(deps, asked, { ...build, onIdentity }).catch(async (error: unknown) => {
    const failed = begun()?.('EXPORT_FAILED');
    const { tenantId, scope, disclosure } = asked;
    if (failed !== undefined) await append(deps, { ...failed, ...failureOf(error) });
    else
      await recordRefused(
        deps,
        { tenantId, filters: { ...filtersOf(scope), disclose: disclosure } },
        { request, error },
      );
    throw error;
  });
  try {
    const made = begun()?.('EXPORT_COMPLETED');
    if (made === undefined) throw new Error('a bundle was built without an identity');
    const exportId = made.export.id;
    const place = await append(deps, {
      ...made,
      count: core.statement.logs.reduce((sum, { shown }) => sum + shown, 0),
      export: {
        ...made.export,
        manifest: core.manifest,
        tagManifest: core.tagManifest,
        attestedBy: hex(deps.attestation.publicKey),
      },
    });
    const attestation = await attest(deps, core, { exportId, place }, build.breathe);
    const files: StreamedFile[] = [...core.files].map(([name, file]) => ({
      name,
      size: file.size,
      crc32: file.crc32,
      chunks: () => file.chunks(),
    }));
    if (attestation !== null) {
      const bytes = Buffer.from(attestation, 'utf8');
      files.push({ name: 'attestation.dsse.json', size: bytes.length, crc32: crc32(bytes), chunks: () => [bytes] });
    }
    return { exportId, core, files, attestation };
  } catch (error) {
    await core.close();
    throw error;
  }
}

/** A core that an archive has room for, with its attestation. @throws Refusal, ExportRefused */
async function buildArchivable(deps: ExportingDeps, asked: ExportAsked, build: Build): Promise<Core> {
  const core = await buildCore(deps, asked, build);
  const most = deps.maxArchiveBytes ?? MAX_ARCHIVE_BYTES;
  const bytes = archiveSize([...core.files].map(([name, { size, crc32: crc }]) => ({ name, size, crc32: crc })));
  if (bytes + ATTESTATION_BYTES <= most) return core;
  await core.close();
  throw new ExportRefused('too_large', `the bundle would have more than ${most - ATTESTATION_BYTES} bytes`);
}

/** Records that a bundle was asked for; of one identity once, whoever else asks. */
export async function recordRequest(deps: ExportingDeps, identity: Identity, request: ExportRequest): Promise<void> {
  await append(deps, eventsOf(deps, identity, request)('EXPORT_PENDING'));
}

/** Records that there is no bundle after all. */
export async function recordFailure(
  deps: ExportingDeps,
  identity: Identity,
  request: ExportRequest,
  error: unknown,
): Promise<void> {
  await append(deps, { ...eventsOf(deps, identity, request)('EXPORT_FAILED'), ...failureOf(error) });
}

/** What leaves of a bundle: all of it, or the run as OTLP. */
export type Delivered = 'zip' | 'otlp';

/** Records that a bundle is about to leave; the caller sends nothing before this resolves. `bytes`: so many. */
export async function recordDelivery(
  deps: ExportingDeps,
  { core }: RunExported,
  request: ExportRequest,
  { as, bytes }: { readonly as: Delivered; readonly bytes: number },
): Promise<void> {
  const delivered = eventsOf(deps, identityOf(core.statement), request)('EXPORT_DELIVERED');
  await append(deps, { ...delivered, export: { ...delivered.export, bytes, delivered: as } });
}

/** Records who tried, and failed before there was anything to say what of: what he named is here as he named it, and stands as a token. */
export async function recordRefused(
  deps: ExportingDeps,
  { tenantId, filters }: Pick<AccessEvent, 'tenantId' | 'filters'>,
  { request, error }: { readonly request: ExportRequest; readonly error: unknown },
): Promise<void> {
  await append(deps, {
    ...requested(deps, tenantId, request),
    kind: 'READ',
    decision: 'DENY',
    filters,
    ...failureOf(error),
  });
}

/** What records of a request have in common. */
function requested(deps: ExportingDeps, tenantId: string, request: ExportRequest): Omit<AccessEvent, 'kind'> {
  return {
    ...request,
    tenantId,
    requestId: randomUUID(),
    permission: 'logs.export',
    rule: null,
    decision: 'ALLOW',
    reason: null,
    status: 200,
    correlationId: null,
    userAgent: null,
    view: null,
    query: null,
    runId: null,
    filters: {},
    pins: [],
    count: null,
    answer: null,
    at: timestamp(deps.now()),
    fold: null,
  };
}

type ExportEvent = AccessEvent & { readonly export: NonNullable<AccessEvent['export']> };

function eventsOf(deps: ExportingDeps, identity: Identity, request: ExportRequest): (kind: ExportKind) => ExportEvent {
  const { disclosure, pins } = identity;
  const { runId, scope } = recordedScope(identity.scope);
  return (kind) => ({
    ...requested(deps, identity.scope.tenant_id, request),
    kind,
    runId,
    pins,
    export: { id: exportIdOf(identity), scope, disclosure, format: BUNDLE_FORMAT },
  });
}

/** Where a record of ours stands. */
interface OwnPlace {
  readonly log: string;
  readonly index: number;
}

async function append({ accessRecords, append: appendTo }: ExportingDeps, event: AccessEvent): Promise<OwnPlace> {
  const [place] = await appendTo(event.tenantId, [await accessLeaf(accessRecords, event)]);
  if (place === undefined) throw new Error('the sequencer answered for no leaf');
  // The last part of its origin.
  const log = accessRecords.openOriginOf(event.tenantId, 'access').split('/').at(-1) ?? '';
  return { log, index: place.index };
}

async function attest(
  deps: ExportingDeps,
  core: Core,
  { exportId, place }: { readonly exportId: string; readonly place: OwnPlace },
  breathe: Build['breathe'],
): Promise<string | null> {
  const tenantId = core.statement.scope.tenant_id;
  const proven = await waitForProof(deps, tenantId, place, breathe);
  if (proven === null) return null;
  const { manifest, tagManifest } = core;
  const custody = await custodyOf(deps, core, { exportId, before: place });
  return attestationText({ manifest, tagManifest, exportId, custody, leaf: proven }, deps.attestation);
}

async function waitForProof(
  { read }: ExportingDeps,
  tenantId: string,
  { log, index }: OwnPlace,
  breathe: Build['breathe'],
) {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const found = await inTenant(
      read.db,
      'reader',
      tenantId,
      async (tx) => {
        const stored = await readLeafAt(tx, tenantId, log, index);
        const cover = stored === null ? null : await coverOf(read, tx, tenantId, stored);
        if (stored === null || cover === null) return null;
        const { size, note } = cover;
        const path = await overTiles(tx, tenantId, { log, size }, (node) => inclusionProof(index, size, node));
        return path === null ? null : { log, index, bytes: stored.leaf, path, checkpoint: note };
      },
      { readOnly: true, snapshot: true },
    );
    if (found !== null || waited >= MAX_WAIT_MS) return found;
    await sleep(LOOK_EVERY_MS);
    await breathe?.();
  }
}

/** Who had to do with exports of this run before, or where the scope is no run with this export: oldest first. */
async function custodyOf(
  { read }: ExportingDeps,
  { statement }: Core,
  { exportId, before }: { readonly exportId: string; readonly before: OwnPlace },
): Promise<CustodyEntry[]> {
  const { tenant_id: tenantId } = statement.scope;
  const { runId } = recordedScope(statement.scope);
  const entries: CustodyEntry[] = [];
  await inTenant(
    read.db,
    'reader',
    tenantId,
    async (tx) => {
      const places =
        runId === null
          ? await findRecordsOfExport(tx, tenantId, { exportId, limit: MAX_CUSTODY })
          : await findExportsOfRun(tx, tenantId, { runId, limit: MAX_CUSTODY });
      for (const log of new Set(places.map((place) => place.log))) {
        const indexes = places.flatMap((one) => (one.log === log && one.index < before.index ? [one.index] : []));
        for (const leaf of await readExportedLeaves(tx, tenantId, log, indexes.toReversed())) {
          const checked = checkBytes(leaf, read.originOf(tenantId, log));
          if (checked.kind === 'compromised') continue;
          const m = checked.members;
          entries.push({
            kind: m.text('kind') ?? '',
            recorded_at: m.text('recorded_at') ?? '',
            export_id: m.text('export_id') ?? '',
            actor: m.text('credential_id'),
            leaf_index: leaf.index,
            checksum: `sha256:${hex(leaf.leafHash)}`,
          });
        }
      }
    },
    { readOnly: true, snapshot: true },
  );
  return entries;
}
