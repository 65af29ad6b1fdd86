import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DEEP_LINKS,
  ENDPOINTS,
  FACADE_PREFIX,
  openApiDocument,
  openApiText,
  PERMISSIONS,
  PROBLEM_CODES,
  PROBLEMS,
  problemMarkdown,
} from '../src/index.js';

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

  it('describes every endpoint and deep link, and the same way twice', () => {
    const document = openApiDocument(version) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths)).toEqual([...ENDPOINTS, ...DEEP_LINKS].map((e) => e.path));
    expect(openApiText(version)).toBe(openApiText(version));
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
