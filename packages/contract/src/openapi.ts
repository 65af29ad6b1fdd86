import { DEEP_LINKS, type DeepLink } from './deepLinks.js';
import { downloadOperations } from './downloadOperations.js';
import { ENDPOINTS, type Endpoint, FACADE_PREFIX, PATH_ID } from './endpoints.js';
import { PROBLEM_CODES, PROBLEMS, type ProblemCode } from './problem.js';
import { SHARED_SHAPES } from './sharedShapes.js';

/** What no endpoint answers: only downloads take ranges. */
const OF_RANGES: ProblemCode = 'range_not_satisfiable';
/** Refusals of what is asked for by its id; every other code can come from any endpoint. */
const BY_ID_ONLY: readonly ProblemCode[] = ['evidence_compromised'];

interface Member {
  readonly [name: string]: unknown;
}

/** Names of the shared shapes, by what they say of a value. */
const NAMES: ReadonlyMap<string, string> = new Map(SHARED_SHAPES.map(({ name, schema }) => [saidBy(schema), name]));

/**
 * The OpenAPI 3.1 document of the facade: the very schemas that validate requests and serialise answers, put under paths; what several
 * of them have in them stands once, under its name.
 */
export function openApiDocument(version: string): Member {
  const paths: Record<string, Member> = {};
  for (const endpoint of ENDPOINTS) paths[endpoint.path] = { get: operation(endpoint) };
  for (const link of DEEP_LINKS) paths[link.path] = { get: redirection(link) };
  Object.assign(paths, downloadOperations(refTo('Problem')));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sworn',
      version,
      summary: 'Provable evidence of what AI systems did, read through one read-only facade.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { basic: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: namedSchemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key: swk_<tenant>_<secret><checksum>.' },
        basic: { type: 'http', scheme: 'basic', description: 'The API key as password; any user name.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      },
    },
  };
}

/** Exact text of `openapi.json`. */
export function openApiText(version: string): string {
  return `${JSON.stringify(openApiDocument(version), null, 2)}\n`;
}

function operation(endpoint: Endpoint): Member {
  const content: Record<string, Member> = { 'application/json': { schema: answerOf(endpoint) } };
  if (endpoint.shape !== 'record') {
    content['application/x-ndjson'] = {
      schema: {
        type: 'string',
        description: 'The whole result, one item a line; the last line is {"complete":true,"count":n}.',
      },
    };
  }
  return {
    operationId: endpoint.id,
    summary: endpoint.summary,
    'x-permission': endpoint.permission,
    parameters: [...endpoint.params.map(pathParameter), ...queryParameters(endpoint)],
    responses: {
      200: { description: 'The answer.', content },
      ...(endpoint.shape !== 'list'
        ? { 304: { description: 'Not modified since the ETag in If-None-Match; recorded as a read all the same.' } }
        : {}),
      ...refusals(endpoint),
    },
  };
}

/** The answer in the format that was asked for. */
function answerOf({ response, ocsf }: Endpoint): Member {
  if (ocsf === undefined) return withNames(response);
  return { anyOf: [withNames(response), { ...withNames(ocsf), title: 'format=ocsf' }] };
}

function pathParameter(name: string): Member {
  const example = name === 'entry_id' ? '00000001-0500-8000-8000-00000000002a' : '4bf92f3577b34da6a3ce929d0e0e4736';
  return {
    name,
    in: 'path',
    required: true,
    description: `As answers show it, e.g. ${example}`,
    schema: { type: 'string', pattern: PATH_ID.source },
  };
}

function queryParameters(endpoint: Endpoint): Member[] {
  return Object.entries(endpoint.query.properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    description: (schema as { description?: string }).description ?? '',
    schema: plain(schema),
  }));
}

/** A deep link needs no credential: it reads nothing, and what it leads to asks for one. */
function redirection({ path, param, summary, takes, example }: DeepLink): Member {
  return {
    operationId: `deep_link${path.slice(0, 2).replace('/', '.')}`,
    summary,
    security: [],
    parameters: [
      {
        name: param,
        in: 'path',
        required: true,
        description: `Takes ${takes}, e.g. ${example}`,
        schema: { type: 'string' },
      },
    ],
    responses: {
      302: {
        description: 'Where the answer is, on this host.',
        headers: { Location: { required: true, schema: { type: 'string', pattern: `^${FACADE_PREFIX}/` } } },
      },
      404: {
        description: 'Not such an id. Whether there is anything under it is never said here.',
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    },
  };
}

/** Problems that an endpoint can answer with, in the order of their status. */
export function problemCodesOf({ params }: Pick<Endpoint, 'params'>): readonly ProblemCode[] {
  return PROBLEM_CODES.filter((code) => code !== OF_RANGES && (params.length > 0 || !BY_ID_ONLY.includes(code)));
}

/** Problems by status; two codes of one status share an entry. */
function refusals(endpoint: Endpoint): Record<string, Member> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of problemCodesOf(endpoint)) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `${code}: ${PROBLEMS[code].title}`).join(' · '),
        ...waiting(status),
        content: { 'application/problem+json': { schema: refTo('Problem') } },
      },
    ]),
  );
}

/** How a refusal that passes says when; of a rate limit also how its limits stand, as answers do. */
function waiting(status: number): Member {
  if (status !== 429 && status !== 503) return {};
  const said = (description: string, type: string): Member => ({ description, schema: { type } });
  return {
    headers: {
      'Retry-After': said('Seconds.', 'integer'),
      ...(status === 429 && {
        'RateLimit-Policy': said(
          'How often an address and a credential may ask: draft-ietf-httpapi-ratelimit-headers-11.',
          'string',
        ),
        RateLimit: said('How they stand.', 'string'),
      }),
    },
  };
}

function namedSchemas(): Member {
  return Object.fromEntries(SHARED_SHAPES.map(({ name, schema }) => [name, inside(plain(schema)) as Member]));
}

/** A schema whose shared shapes are references; one that says more to its readers in its place goes on saying so. */
function withNames(schema: unknown): Member {
  return referring(plain(schema)) as Member;
}

function referring(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const name = NAMES.get(saidBy(value));
  if (name === undefined) return inside(value);
  const { description } = value as Member;
  return { ...refTo(name), ...(description !== undefined && { description }) };
}

function inside(value: object): unknown {
  if (Array.isArray(value)) return value.map(referring);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, referring(member)]));
}

function refTo(name: string): Member {
  return { $ref: `#/components/schemas/${name}` };
}

/** What tells one shape from another: all of it but the description of the whole, which may be of the place. */
function saidBy(schema: object): string {
  const { description: _, ...said } = plain(schema);
  return JSON.stringify(said);
}

/** A schema without the builder's own non-JSON members. */
function plain(schema: unknown): Member {
  return JSON.parse(JSON.stringify(schema)) as Member;
}
