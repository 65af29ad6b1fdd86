import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import {
  type Endpoint,
  ENDPOINTS,
  openApiDocument,
  PROBLEM_CODES,
  type ProblemCode,
  problemMarkdown,
} from '@sworn/contract';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteHandlerMethod,
} from 'fastify';
import { Histogram, type Registry } from 'prom-client';
import type { Credential } from '../access/credential.js';
import { countingFailures } from '../access/rateLimits.js';
import { invalidParameter, Refusal } from '../access/refusal.js';
import { loggable } from '../loggable.js';
import { answerInOrder, OCSF_ANSWER } from './answer.js';
import { callerOf } from './caller.js';
import { addDeepLinks } from './deepLinks.js';
import { addDownloads } from './downloads.js';
import { isOurHost } from './host.js';
import { type MetricsAccess, refusalOfMetrics } from './metricsDoor.js';
import type { Answering, OrderDeps } from './order.js';
import { refusalOf, sendProblem } from './problem.js';
import { demandRate, refusalOfAddress } from './rates.js';
import { refuse } from './refuse.js';
import { closeSlowReaders } from './slowReaders.js';
import { addTlogRoutes } from './tlog.js';
import { createTurns } from './turns.js';
import { createUnread } from './unread.js';
import { Unsent, type UnsentLimits } from './unsent.js';
import { queryReader } from './query.js';

/** What the facade is made of. */
export interface FacadeDeps extends OrderDeps {
  readonly version: string;
  /** Host names beside those of loopback. */
  readonly allowedHosts: ReadonlySet<string>;
  /** Served at `/metrics`; holds no tenant names. */
  readonly registry: Registry;
  /** What keeps this process from answering; empty: ready. */
  readonly missing: () => Promise<readonly string[]>;
  /** Constant messages, variables as fields, no payload and no credential. */
  readonly log: FastifyBaseLogger;
  /** As `node:tls` takes them. */
  readonly tls: { readonly cert: string | Buffer; readonly key: string | Buffer } | null;
  /** This machine alone unless told otherwise. */
  readonly metrics?: MetricsAccess;
  /** `UNSENT_LIMITS` unless told otherwise. */
  readonly unsentLimits?: UnsentLimits;
  /** Milliseconds that closing waits for answers under way; 10 s unless told otherwise. */
  readonly stopTimeoutMs?: number;
}

/** Milliseconds a client may take for its headers, and for a whole request; looked after every half of it. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A socket on which nothing moves is closed: a reader that takes nothing holds a page in memory for no longer. Above the reader role's statement timeout. */
const IDLE_TIMEOUT_MS = 65_000;
/** Headers and target of one request; what is longer is told so. */
const MAX_HEADER_BYTES = 16_384;
/** Open sockets; each may hold one page. */
const MAX_CONNECTIONS = 2_048;
/** How long closing waits for answers under way before it closes their sockets. */
const STOP_TIMEOUT_MS = 10_000;
/** Longest path parameter before decoding: 256 characters, percent-encoded. */
const MAX_PARAM_LENGTH = 3 * 256;
const READ = ['GET', 'HEAD'];
/** Routes that probes ask by address: they read nothing. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);
/** Of them, those that no limit holds off: whoever restarts a server that gives no sign of life must not be led to it by a flood. */
const LIFE_SIGNS: ReadonlySet<string> = new Set(['/healthz', '/readyz']);

/** What the framework logs on its own, by the same allow-list: its default prints messages and stacks, which may hold values. */
class PlainLog extends LogController {
  override defaultErrorLog(error: Error, request: FastifyRequest): void {
    request.log.error(loggable(error), 'a request failed');
  }
  override streamError(error: Error, request: FastifyRequest): void {
    request.log.info(loggable(error), 'a client went away');
  }
  override writeHeadError(error: Error, request: FastifyRequest): void {
    request.log.error(loggable(error), 'a head could not be written');
  }
  override serializerError(error: Error, request: FastifyRequest): void {
    request.log.error(loggable(error), 'an answer is not what its schema says');
  }
}

/** The read facade: GET and HEAD only, every read recorded before it is answered. Not listening yet. */
export function createFacade(given: FacadeDeps): FastifyInstance {
  const deps = { ...given, authenticate: countingFailures(given.rates, given.authenticate) };
  const allowedHosts = new Set([...deps.allowedHosts].map((host) => host.toLowerCase()));
  const unread = createUnread(deps.log);
  // A request without a Host is refused by us, with a problem.
  const ofServer = {
    requireHostHeader: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_TIMEOUT_MS / 2,
  };
  const app = Fastify({
    loggerInstance: deps.log,
    ...(deps.tls === null ? { http: ofServer } : { https: { ...ofServer, ...deps.tls } }),
    logController: new PlainLog({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    // The framework's own HEAD routes say `content-length: 0` of a 304 and of a stream.
    exposeHeadRoutes: false,
    clientErrorHandler: (error, socket) => unread.refuse(error, socket),
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    routerOptions: {
      maxParamLength: MAX_PARAM_LENGTH,
      // Queries are read by the endpoint's own schema, from the text.
      querystringParser: () => ({}),
    },
    // A path that cannot be decoded, or is too long: no hook has seen it.
    frameworkErrors: (_error, request, reply) => {
      reply.header('x-request-id', request.id);
      const over = refusalOfAddress(deps, callerOf(request, deps.trustedProxies).source, reply);
      if (over === null) void refuseRoute(deps, request, reply, misroute(request, allowedHosts) ?? noRoute());
      else void refuseStranger(deps, request, reply, over);
    },
  }) as unknown as FastifyInstance;

  // No route takes a body; what a client sends all the same is never parsed.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, null));
  app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  });
  unread.watch(app.server);
  app.server.maxConnections = MAX_CONNECTIONS;
  closeSlowReaders(app.server);
  const answering: Answering = {
    ...deps,
    streams: new Set(),
    turns: createTurns(),
    unsent: new Unsent(deps.unsentLimits),
  };
  boundClosing(app, answering.streams, deps.stopTimeoutMs ?? STOP_TIMEOUT_MS);
  addHooks(app, deps, allowedHosts);
  addPublicRoutes(app, deps);
  addDeepLinks(app);
  addTlogRoutes(app, answering);
  addDownloads(app, answering);
  for (const endpoint of ENDPOINTS) {
    const ready = { endpoint, readQuery: queryReader(endpoint.query) };
    app.route({
      method: READ,
      url: endpoint.path.replaceAll(/\{([a-z_]+)\}/g, ':$1'),
      schema: { response: schemasOf(endpoint) },
      config: { endpoint: endpoint.id },
      handler: (request, reply) => answerInOrder(answering, ready, request, reply),
    });
  }
  app.setNotFoundHandler((request, reply) => refuseRoute(deps, request, reply, noRoute()));
  app.setErrorHandler(onError);
  return app;
}

/** The schemas that serialise the answers of an endpoint, one a format. */
function schemasOf({ response, ocsf }: Endpoint): Readonly<Record<string, object>> {
  const plain = (schema: object): object => JSON.parse(JSON.stringify(schema)) as object;
  return { 200: plain(response), ...(ocsf !== undefined && { [OCSF_ANSWER]: plain(ocsf) }) };
}

function onError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // What the framework refuses before a handler runs is about the path: it names no record.
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : null;
  const isOfRequest = typeof status === 'number' && status >= 400 && status < 500;
  const refusal = isOfRequest && !(error instanceof Refusal) ? noRoute() : refusalOf(error);
  if (refusal.code === 'internal') request.log.error(loggable(error), 'a request failed');
  if (!reply.hasHeader('x-request-id')) reply.header('x-request-id', request.id);
  return sendProblem(reply, refusal);
}

/** A reader that takes a stream slowly, or not at all, must not keep the server from stopping; that it was cut off is recorded all the same. */
function boundClosing(app: FastifyInstance, streams: ReadonlySet<Promise<void>>, timeoutMs: number): void {
  app.addHook('preClose', async () => {
    const timer = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
    app.server.once('close', () => clearTimeout(timer));
  });
  app.addHook('onClose', async () => {
    await Promise.all(streams);
  });
}

function addHooks(app: FastifyInstance, deps: FacadeDeps, allowedHosts: ReadonlySet<string>): void {
  const seconds = new Histogram({
    name: 'sworn_http_request_duration_seconds',
    help: 'Time to answer a request of the facade.',
    labelNames: ['endpoint', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [deps.registry],
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    const { correlationId, source } = callerOf(request, deps.trustedProxies);
    if (correlationId !== null) reply.header('x-correlation-id', correlationId);
    const over = LIFE_SIGNS.has(request.url) ? null : refusalOfAddress(deps, source, reply);
    if (over !== null) return refuseStranger(deps, request, reply, over);
    const refusal = misroute(request, allowedHosts);
    return refusal === null ? undefined : refuseRoute(deps, request, reply, refusal);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { endpoint } = request.routeOptions.config as { readonly endpoint?: string };
    seconds.observe({ endpoint: endpoint ?? 'other', status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
}

const noRoute = (): Refusal => new Refusal('not_found', 'there is no such route');

/** What is wrong with a request whatever its route, before any body is read; null: nothing. */
function misroute(request: FastifyRequest, allowedHosts: ReadonlySet<string>): Refusal | null {
  const { method, raw } = request;
  const [target = ''] = (raw.url ?? '').split('?', 1);
  // A proxy before us may heed another of them than we do (RFC 9112 3.2).
  if ((raw.headersDistinct['host']?.length ?? 0) > 1) return invalidParameter('host', 'stands twice');
  // A target may be a whole URL, and then says the host (RFC 9112 3.2.2).
  const host = /^[a-z][a-z0-9+.-]*:\/\/([^/]*)/i.exec(target)?.[1] ?? request.headers.host;
  if (!PROBES.has(target) && !isOurHost(host, allowedHosts)) {
    return new Refusal('misdirected', 'this server does not answer for that host');
  }
  // Nothing here changes anything.
  if (method !== 'GET' && method !== 'HEAD') {
    return new Refusal('method_not_allowed', 'only GET and HEAD are served here');
  }
  // No client sends a fragment; the router would take it for a query.
  return target.includes('#') ? noRoute() : null;
}

/** Refuses what reaches no endpoint. Whoever tried is recorded: an attempt to change evidence is evidence too. */
async function refuseRoute(
  deps: FacadeDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Refusal,
): Promise<FastifyReply> {
  const caller = callerOf(request, deps.trustedProxies);
  let credential: Credential | null = null;
  let why = refusal;
  try {
    credential = await deps.authenticate(request.raw.headersDistinct, caller.source);
    demandRate(deps, credential, reply);
  } catch (error) {
    if (!(error instanceof Refusal)) return sendProblem(reply, refusalOf(error));
    // Of a caller nobody knows the refusal of the route stands, whoever asks.
    if (credential !== null) why = error;
  }
  const endpoint = why.code === 'not_found' ? 'unknown_route' : why.code;
  return refuse(deps, { ...unrouted, caller, credential, endpoint, refusal: why, request, reply });
}

/** Refuses whoever knocks too often, before anything is asked of the database: what was shown is not looked at. */
function refuseStranger(
  deps: FacadeDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  refusal: Refusal,
): Promise<FastifyReply> {
  const { endpoint = refusal.code } = request.routeOptions.config as { readonly endpoint?: string };
  const caller = callerOf(request, deps.trustedProxies);
  return refuse(deps, { ...unrouted, caller, credential: null, endpoint, refusal, request, reply });
}

/** Of what no rule was asked about. */
const unrouted = { permission: null, rule: null, params: null } as const;

/** Whoever asks while a look is under way has its answer: these ask for no credential, and a flood of them costs one look at a time. */
function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let under: Promise<T> | null = null;
  return () =>
    (under ??= look().finally(() => {
      under = null;
    }));
}

/** The routes of `PUBLIC_ROUTES`: they answer anyone and read no evidence. */
function addPublicRoutes(app: FastifyInstance, deps: FacadeDeps): void {
  const read = (url: string, handler: RouteHandlerMethod) => app.route({ method: READ, url, handler });
  const openApi = JSON.stringify(openApiDocument(deps.version));
  const missingNow = shared(deps.missing);
  const metricsNow = shared(() => deps.registry.metrics());
  read('/healthz', (_request, reply) => reply.type('text/plain').send('ok\n'));
  read('/readyz', async (_request, reply) => {
    const missing = await missingNow();
    if (missing.length === 0) return reply.type('text/plain').send('ready\n');
    return sendProblem(reply, new Refusal('unavailable', `not ready: ${missing.join(', ')}`));
  });
  read('/metrics', async (request, reply) => {
    const refusal = refusalOfMetrics(request, deps.metrics ?? { token: null, proxied: false });
    if (refusal !== null) return sendProblem(reply, refusal);
    return reply.type(deps.registry.contentType).send(await metricsNow());
  });
  read('/api/v1/openapi.json', (_request, reply) =>
    reply.type('application/json; charset=utf-8').header('cache-control', 'no-cache').send(openApi),
  );
  read('/problems/:code', (request, reply) => {
    const { code } = request.params as { readonly code: string };
    const known = PROBLEM_CODES.find((c): c is ProblemCode => c === code);
    if (known === undefined) return sendProblem(reply, new Refusal('not_found', 'there is no such problem'));
    return reply.type('text/markdown; charset=utf-8').send(problemMarkdown(known));
  });
}
