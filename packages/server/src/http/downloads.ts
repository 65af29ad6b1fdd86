import { once } from 'node:events';
import { Readable } from 'node:stream';
import { ARCHIVE_NAME, DOWNLOAD_ROUTES } from '@sworn/contract';
import { BUNDLE_FORMAT, parseStatement, type RunStatement, type Statement } from '@sworn/evidence';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { Refusal } from '../access/refusal.js';
import { exportIdOf, recordedScope } from '../export/identity.js';
import type { KeptBundle } from '../export/keptBundles.js';
import { networkOf } from '../networks.js';
import { type BundleFile, bundleFile, mediaType, savedAs } from './bundleFile.js';
import { demandDisclosure, demandVisible } from './bundleGrant.js';
import { createDownloadRoom, type DownloadRoom } from './downloadRoom.js';
import { demandRunWithin } from './keyRange.js';
import { byLink, linkOf } from './linkCredential.js';
import { type Admitted, allowed, type Answering, inOrder, inTurn, names, readmitted } from './order.js';
import { queryReader } from './query.js';
import { type AskedRange, isRangeOf, rangeOf } from './range.js';

/** Milliseconds after which whoever takes a download slowly is asked for anew: a revoked key ends it. */
const READMIT_EVERY_MS = 5_000;
/** `data/statement.json`: a few lines for each log. */
const MAX_STATEMENT_BYTES = 1 << 20;
const EXPORT_ID = /^exp_[0-9a-f]{32}$/;

const readLinkAlone = queryReader(Type.Object({ link: Type.Optional(Type.String()) }, { additionalProperties: false }));

/** Bundles that were built, whole, file by file, or ranges of either; each delivery is on record before its first byte. */
export function addDownloads(app: FastifyInstance, deps: Answering): void {
  const room = createDownloadRoom();
  for (const { id, path, permission } of DOWNLOAD_ROUTES) {
    app.route({
      method: ['GET', 'HEAD'],
      url: path.replaceAll(/\{([a-z_]+)\}/g, ':$1'),
      config: { endpoint: id },
      handler(request, reply) {
        const link = linkOf(request);
        const asked = link === null ? deps : { ...deps, authenticate: byLink(deps, request, link) };
        return inOrder(asked, { id, permission, request, reply }, (admitted) =>
          answer(asked, room, { ...admitted, isLinked: link !== null }),
        );
      },
    });
  }
}

interface Download extends Admitted {
  /** It is asked for by a link. */
  readonly isLinked: boolean;
}

/** What is sent of a bundle. */
interface Sent {
  readonly bundle: KeptBundle;
  readonly statement: RunStatement;
  readonly file: BundleFile;
  readonly etag: string;
}

async function answer(deps: Answering, room: DownloadRoom, a: Download): Promise<FastifyReply> {
  const { request, reply, caller } = a;
  readLinkAlone(caller.query ?? '');
  const sent = await find(deps, a);
  const { file, etag } = sent;
  if (names(request.headers['if-none-match'], etag)) return unchanged(deps, a, sent);
  if (request.method === 'HEAD') {
    await deps.recordAccess({ ...read(deps, a, sent), status: 200, fold: null });
    a.leave();
    return describe(reply, sent).header('content-length', file.size).send();
  }
  const ifRange = request.headers['if-range'];
  const ranged = isRangeOf(Array.isArray(ifRange) ? ifRange.join() : ifRange, etag) ? request.headers.range : undefined;
  const range = rangeOf(ranged, file.size);
  if (range.kind !== 'unsatisfiable') return deliver(deps, room, a, { ...sent, range });
  reply.header('content-range', `bytes */${file.size}`);
  throw new Refusal('range_not_satisfiable', `the file has ${file.size} bytes, and the range begins behind them`);
}

/** What is asked for, if whoever asks may see all that is in it. @throws Refusal */
async function find(deps: Answering, a: Download): Promise<Sent> {
  const { grant, request } = a;
  const { export_id: exportId = '', '*': name = '' } = request.params as Record<string, string>;
  const known = EXPORT_ID.test(exportId);
  const bundle = known ? await inTurn(deps, a, () => deps.bundles.exports.find(grant.tenantId, exportId)) : null;
  const statement = bundle === null ? null : await statementOf(bundle, grant.tenantId);
  const file = bundle === null ? null : bundleFile(bundle, name);
  // One text for all: it does not tell whether another tenant has such an export.
  if (bundle === null || statement === null || file === null)
    throw new Refusal('not_found', 'there is no such export, or no such file in it; one that was kept may have gone');
  demandDisclosure(grant, statement.disclosure);
  demandVisible(grant, statement.logs);
  await inTurn(deps, a, () => demandRunWithin(deps.read, grant, statement.scope.run_id));
  return { bundle, statement, file, etag: `"${file.sha256}"` };
}

/** What a bundle says that it is, by its own bytes. Null: it is of a kind that is not asked for here. */
async function statementOf(bundle: KeptBundle, tenantId: string): Promise<RunStatement | null> {
  const part = bundleFile(bundle, 'data/statement.json');
  if (part === null || part.size > MAX_STATEMENT_BYTES) throw new Error('a kept bundle has no statement');
  const chunks: Uint8Array[] = [];
  for await (const chunk of bundle.read(part.from, part.from + part.size)) chunks.push(chunk);
  const statement = parseStatement(Buffer.concat(chunks).toString('utf8'));
  if (!isOfRun(statement)) return null;
  const { scope, disclosure, logs } = statement;
  const id = exportIdOf({ scope, disclosure, pins: logs.map(({ log, size }) => ({ log, size })) });
  if (id !== bundle.exportId || scope.tenant_id !== tenantId) throw new Error('a kept bundle is another one');
  return statement;
}

function isOfRun(statement: Statement): statement is RunStatement {
  return statement.scope.kind === 'RUN';
}

/** Its access record, but for its status: of a read that sends no byte of it. */
function read(deps: Answering, a: Download, { statement, file }: Sent) {
  const { scope, logs } = statement;
  const pins = logs.map(({ log, size }) => ({ log, size }));
  const said = { runId: scope.run_id, filters: { file: file.name }, pins };
  return { ...allowed(deps, a, said), count: null, answer: `sha256:${file.sha256}` };
}

async function unchanged(deps: Answering, a: Download, sent: Sent): Promise<FastifyReply> {
  const representation = sent.file.sha256;
  const fold = { by: 'poll', network: networkOf(a.caller.source), representation } as const;
  await deps.recordAccess({ ...read(deps, a, sent), status: 304, fold });
  a.leave();
  return describe(a.reply, sent).code(304).send();
}

async function deliver(
  deps: Answering,
  room: DownloadRoom,
  a: Download,
  sent: Sent & { readonly range: Exclude<AskedRange, { kind: 'unsatisfiable' }> },
): Promise<FastifyReply> {
  const { bundle, statement, file, range } = sent;
  const { reply, grant } = a;
  room.enter(grant.tenantId, reply.raw);
  const [from, to] = range.kind === 'part' ? [range.from, range.to] : [0, file.size];
  const status = range.kind === 'part' ? 206 : 200;
  // Opened before it is on record: what cannot be read is not delivered.
  const bytes = bundle.read(file.from + from, file.from + to)[Symbol.asyncIterator]();
  const first = await bytes.next();
  const delivered = deps.recordAccess({
    ...read(deps, a, sent),
    kind: 'EXPORT_DELIVERED',
    filters: {},
    status,
    answer: null,
    fold: null,
    export: {
      id: bundle.exportId,
      disclosure: statement.disclosure,
      format: BUNDLE_FORMAT,
      scope: recordedScope(statement.scope).scope,
      delivered: file.name === ARCHIVE_NAME ? 'zip' : file.name,
      bytes: to - from,
      ...(range.kind === 'part' && { from }),
      ...(a.isLinked && { byLink: true }),
    },
  });
  await delivered.catch(async (error: unknown) => {
    await bytes.return?.();
    throw error;
  });
  a.leave();
  describe(reply, sent)
    .code(status)
    .header('content-length', to - from);
  if (range.kind === 'part') reply.header('content-range', `bytes ${from}-${to - 1}/${file.size}`);
  const stream = Readable.from(whileAdmitted(deps, a, first, bytes), { objectMode: false });
  const over = once(stream, 'close').then(() => void deps.streams.delete(over));
  deps.streams.add(over);
  return reply.send(stream);
}

/** The bytes, for as long as whoever takes them may have them. What breaks it cuts the connection: the client has fewer bytes than it was told. */
async function* whileAdmitted(
  deps: Answering,
  a: Download,
  first: IteratorResult<Uint8Array>,
  bytes: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let admittedAt = performance.now();
  try {
    for (let next = first; next.done !== true; next = await bytes.next()) {
      if (performance.now() - admittedAt > READMIT_EVERY_MS) {
        await readmitted(deps, a);
        admittedAt = performance.now();
      }
      yield next.value;
    }
  } finally {
    await bytes.return?.();
  }
}

function describe(reply: FastifyReply, { bundle, file, etag }: Sent): FastifyReply {
  return reply.headers({
    'content-type': mediaType(file.name),
    'content-disposition': `attachment; filename="${savedAs(bundle.exportId, file.name)}"`,
    'accept-ranges': 'bytes',
    etag,
    'repr-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
    'cache-control': 'private, no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
}
