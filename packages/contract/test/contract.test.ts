import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { leafHash } from '@sworn/evidence';
import { describe, expect, it } from 'vitest';
import {
  ARCHIVE_NAME,
  contractMarkdown,
  DEEP_LINKS,
  DOWNLOAD_ROUTES,
  ENDPOINTS,
  type Example,
  examplePath,
  FACADE_PREFIX,
  openApiDocument,
  openApiText,
  PERMISSIONS,
  PROBLEM_CODES,
  PROBLEMS,
  problemMarkdown,
  RECORD_EXAMPLES,
} from '../src/index.js';
import { SHARED_SHAPES } from '../src/sharedShapes.js';

const at = (path: string) => new URL(path, import.meta.url);
const { version } = JSON.parse(readFileSync(at('../package.json'), 'utf8')) as { version: string };

describe('the endpoint table', () => {
  it('only reads, under one prefix, and no endpoint is without a permission', () => {
    for (const endpoint of ENDPOINTS) {
      expect(endpoint.method).toBe('GET');
      expect(endpoint.path.startsWith(`${FACADE_PREFIX}/`)).toBe(true);
      expect(PERMISSIONS).toContain(endpoint.permission);
    }
  });

  it('names every endpoint and every path once', () => {
    expect(new Set(ENDPOINTS.map((e) => e.id)).size).toBe(ENDPOINTS.length);
    expect(new Set(ENDPOINTS.map((e) => e.path)).size).toBe(ENDPOINTS.length);
  });

  it('lists as path parameters exactly those that stand in the path', () => {
    for (const { path, params } of ENDPOINTS) {
      expect([...path.matchAll(/\{([a-z_]+)\}/g)].map((m) => m[1])).toEqual([...params]);
    }
  });

  it('accepts no parameter it does not name', () => {
    for (const { query } of ENDPOINTS)
      expect((query as { additionalProperties?: unknown }).additionalProperties).toBe(false);
  });

  it('lets no answer carry a member the contract does not name', () => {
    for (const { id, response } of ENDPOINTS) expect(openObjects(response, id)).toEqual([]);
  });

  it('gives every answer metadata', () => {
    for (const { response } of ENDPOINTS) expect(Object.keys(response.properties)).toContain('metadata');
  });
});

describe('openapi.json', () => {
  it('is what the schemas say; `npm run generate -w @sworn/contract` makes it', () => {
    expect(readFileSync(at('../openapi.json'), 'utf8')).toBe(openApiText(version));
  });

  it('describes every endpoint, deep link and download, and the same way twice', () => {
    const document = openApiDocument(version) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths)).toEqual(
      [...ENDPOINTS, ...DEEP_LINKS, ...DOWNLOAD_ROUTES].map((e) => e.path.replace('*', ARCHIVE_NAME)),
    );
    expect(openApiText(version)).toBe(openApiText(version));
  });

  it('writes a shape that several answers have in them once, and every reference leads to one', () => {
    const document = openApiDocument(version) as { components: { schemas: Record<string, object> } };
    const text = JSON.stringify(document);
    const saidOnce = Object.entries(document.components.schemas).map(
      ([name, shape]: [string, { properties?: object; patternProperties?: object }]) => [
        name,
        text.split(JSON.stringify(shape.properties ?? shape.patternProperties)).length - 1,
      ],
    );
    expect(saidOnce).toEqual(SHARED_SHAPES.map(({ name }) => [name, 1]));
    const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to);
    expect([...new Set(references)].sort()).toEqual(
      SHARED_SHAPES.map(({ name }) => `#/components/schemas/${name}`).sort(),
    );
  });
});

describe('the page of the contract', () => {
  const exampleAt = (id: string) => at(`../${examplePath(id)}`);
  const exampleOf = (id: string) => JSON.parse(readFileSync(exampleAt(id), 'utf8')) as Example;

  it('has an example for each endpoint, and none without an endpoint', () => {
    expect(
      ENDPOINTS.filter(({ id }) => !existsSync(exampleAt(id))).map(({ id }) => id),
      RECORD_EXAMPLES,
    ).toEqual([]);
    expect(readdirSync(at('../examples')).sort()).toEqual(ENDPOINTS.map(({ id }) => `${id}.json`).sort());
  });

  it('is what schemas and examples say; `npm run generate -w @sworn/contract` makes it', () => {
    const examples = new Map(ENDPOINTS.map(({ id }) => [id, exampleOf(id)]));
    const page = readFileSync(at('../../../docs/contracts/LOGS_DOMAIN_V2_CONTRACT.md'), 'utf8');
    expect(page).toBe(contractMarkdown(version, examples));
    examples.delete('llm_runs.list');
    expect(() => contractMarkdown(version, examples)).toThrow('llm_runs.list has no example');
  });

  it('shows proofs whose leaves have the checksums beside them', () => {
    interface Proven {
      readonly proof?: { readonly leaf?: string } | null;
      readonly metadata: { readonly checksum: string };
    }
    const proven = ENDPOINTS.map(({ id }) => exampleOf(id).answer as Proven).flatMap(({ proof, metadata }) =>
      proof?.leaf === undefined ? [] : [{ leaf: proof.leaf, checksum: metadata.checksum }],
    );
    expect(proven.length).toBeGreaterThan(1);
    for (const { leaf, checksum } of proven)
      expect(`sha256:${Buffer.from(leafHash(Buffer.from(leaf, 'base64'))).toString('hex')}`).toBe(checksum);
  });
});

describe('the problem table', () => {
  it('has a page per code, and no page without a code', () => {
    for (const code of PROBLEM_CODES) {
      expect(existsSync(at(`../../../docs/problems/${code}.md`)), code).toBe(true);
      expect(readFileSync(at(`../../../docs/problems/${code}.md`), 'utf8')).toBe(problemMarkdown(code));
    }
    expect(readdirSync(at('../../../docs/problems')).sort()).toEqual(PROBLEM_CODES.map((code) => `${code}.md`).sort());
  });

  it('holds the statuses of CONTRACT.md 1', () => {
    expect(Object.fromEntries(PROBLEM_CODES.map((code) => [code, PROBLEMS[code].status]))).toEqual({
      invalid_parameter: 400,
      ambiguous_credential: 400,
      not_authenticated: 401,
      credential_expired: 401,
      permission_denied: 403,
      tenant_required: 403,
      not_found: 404,
      method_not_allowed: 405,
      evidence_compromised: 409,
      range_not_satisfiable: 416,
      misdirected: 421,
      rate_limited: 429,
      internal: 500,
      unavailable: 503,
    });
  });
});

/** Paths of object schemas that would let unknown members through; `filters_applied` is open on purpose. */
function openObjects(schema: unknown, path: string): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { type, additionalProperties } = schema as { type?: unknown; additionalProperties?: unknown };
  const open = type === 'object' && additionalProperties !== false && !path.endsWith('.filters_applied');
  return [
    ...(open ? [path] : []),
    ...Object.entries(schema).flatMap(([name, inner]) => openObjects(inner, `${path}.${name}`)),
  ];
}
