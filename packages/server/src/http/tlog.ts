import { TLOG_ROUTES, type TlogRoute } from '@sworn/contract';
import { parseTilePath, type TileId, topicOfLog } from '@sworn/evidence';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { Refusal } from '../access/refusal.js';
import { checkpointBytes, entryTile, hashTile, type TlogBytes } from '../read/tlog.js';
import { codingFor } from './coding.js';
import { demandNoRange } from './keyRange.js';
import { type Admitted, type Answering, demandTopic, inOrder, inTurn, sendRecorded, type Whole } from './order.js';
import { queryReader } from './query.js';

/** A tile never changes, and whoever may read it may keep it. */
const HASH_TILE_CACHE = 'private, immutable, max-age=31536000';

const readNoQuery = queryReader(Type.Object({}, { additionalProperties: false }));

/**
 * The logs as outside tools read them (docs/spec/tlog.md): checkpoints, hash tiles and entry tiles, each read with a credential and recorded like
 * any other.
 */
export function addTlogRoutes(app: FastifyInstance, deps: Answering): void {
  for (const route of TLOG_ROUTES) {
    const { id, path, permission } = route;
    app.route({
      method: ['GET', 'HEAD'],
      url: path.replaceAll(/\{([a-z_]+)\}/g, ':$1'),
      config: { endpoint: id },
      handler: (request, reply) =>
        inOrder(deps, { id, permission, request, reply }, (admitted) => answer(deps, route, admitted)),
    });
  }
}

async function answer(deps: Answering, route: TlogRoute, admitted: Admitted): Promise<FastifyReply> {
  const { log, tile } = ask(route, admitted);
  const asked = { tenantId: admitted.grant.tenantId, log };
  if (tile === null) {
    return sendRecorded(deps, admitted, {
      ...wholeOf(await inTurn(deps, admitted, () => checkpointBytes(deps.read, asked)), {}),
      type: 'text/plain; charset=utf-8',
      headers: { 'cache-control': 'private, no-cache' },
    });
  }
  const { level, index, width } = tile;
  if (level === 'entries') {
    demandNoRange(admitted.grant);
    const read = await inTurn(deps, admitted, () => entryTile(deps.read, asked, { index, width }));
    return sendRecorded(deps, admitted, {
      ...wholeOf(read, { index, width }),
      coding: codingFor(admitted.request.headers['accept-encoding'], read.bytes.length),
      isSettled: false,
      headers: { 'cache-control': 'private, no-store', vary: 'accept-encoding' },
    });
  }
  const read = await inTurn(deps, admitted, () => hashTile(deps.read, asked, { level, index, width }));
  return sendRecorded(deps, admitted, {
    ...wholeOf(read, { level, index, width }),
    headers: { 'cache-control': HASH_TILE_CACHE },
  });
}

/** The log, and its tile; null: its checkpoint. @throws Refusal */
function ask({ path }: TlogRoute, admitted: Admitted): { log: string; tile: TileId | null } {
  const { request, caller, grant } = admitted;
  const { tenant_id: tenantId, log = '', level = 'entries', '*': rest } = request.params as Record<string, string>;
  const topic = topicOfLog(log);
  const tile = path.endsWith('*') ? parseTilePath(`tile/${level}/${rest ?? ''}`) : null;
  // One text for all: it does not tell whose tenant that is, nor whether there is such a one.
  if (tenantId !== grant.tenantId || topic === null || (tile === null && path.endsWith('*')))
    throw new Refusal('not_found', 'there is no such log or tile');
  demandTopic(admitted, topic);
  readNoQuery(caller.query ?? '');
  return { log, tile };
}

/** Hashes do not compress, and a checkpoint is too short to. */
function wholeOf({ bytes, count, pins }: TlogBytes, filters: Readonly<Record<string, number>>): Omit<Whole, 'headers'> {
  return {
    bytes,
    type: 'application/octet-stream',
    coding: 'identity',
    isSettled: true,
    count,
    said: { runId: null, filters, pins },
  };
}
