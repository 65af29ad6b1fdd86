import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { parseDocument } from 'yaml';
import type { KeyRole } from './credential.js';

/** The issuers that come with Sworn: none. In the repository's `config/`. */
export const BUILT_IN_OIDC = fileURLToPath(new URL('../../../../config/oidc.yaml', import.meta.url));

/** Signatures by a key pair alone: with an HMAC whoever verifies could sign, and `none` is no signature. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;
/** Roles a session may have: it reads. */
const SESSION_ROLES = ['reader', 'auditor'] as const satisfies readonly KeyRole[];
/** Seconds that clocks may differ (CONTRACT.md §8). */
const MAX_SKEW_SECONDS = 60;
/** Seconds a token may live from when it was issued: it cannot be called back here, so its life is what bounds a stolen one. */
const MAX_LIFETIME_SECONDS = 86_400;
/** Issuers of one deployment; each has keys in memory. */
const MAX_ISSUERS = 64;
/** Values that one claim may be mapped from. */
const MAX_VALUES = 1_000;

const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' });
const Text = Type.String({ minLength: 1, maxLength: 512 });
/** Members that lead to a claim, outermost first. */
const Path = Type.Array(Text, { minItems: 1, maxItems: 8 });
const strict = { additionalProperties: false } as const;

const IssuerEntry = Type.Object(
  {
    name: Name,
    issuer: Text,
    audience: Type.Array(Text, { minItems: 1, maxItems: 16 }),
    algorithms: Type.Array(Type.Enum([...ALGORITHMS]), { minItems: 1, maxItems: ALGORITHMS.length }),
    token: Type.Optional(Type.Enum(['access', 'id'])),
    header_types: Type.Optional(Type.Array(Type.Enum(['at+jwt', 'JWT']), { minItems: 1, maxItems: 2 })),
    jwks_uri: Type.Optional(Text),
    skew_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SKEW_SECONDS })),
    max_lifetime_seconds: Type.Optional(Type.Integer({ minimum: 60, maximum: MAX_LIFETIME_SECONDS })),
    required: Type.Optional(
      Type.Array(
        Type.Object({ claim: Path, values: Type.Array(Text, { minItems: 1, maxItems: MAX_VALUES }) }, strict),
        { maxItems: 16 },
      ),
    ),
    tenant: Type.Union([
      Type.Object({ id: Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' }) }, strict),
      Type.Object(
        {
          claim: Path,
          values: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' }), {
            minProperties: 1,
            maxProperties: MAX_VALUES,
          }),
        },
        strict,
      ),
    ]),
    roles: Type.Object(
      {
        claim: Path,
        values: Type.Record(Type.String(), Type.Enum([...SESSION_ROLES]), {
          minProperties: 1,
          maxProperties: MAX_VALUES,
        }),
      },
      strict,
    ),
  },
  strict,
);
const OidcFile = Type.Object({ issuers: Type.Array(IssuerEntry, { maxItems: MAX_ISSUERS }) }, strict);
const file = Compile(OidcFile);

/** An identity provider whose tokens are taken, and for what. */
export interface Issuer
  extends Omit<
    Static<typeof IssuerEntry>,
    'token' | 'header_types' | 'skew_seconds' | 'max_lifetime_seconds' | 'required'
  > {
  readonly token: 'access' | 'id';
  /** Of the token's header, lower case, without `application/`. */
  readonly headerTypes: ReadonlySet<string>;
  readonly skewSeconds: number;
  readonly maxLifetimeSeconds: number;
  readonly required: readonly { readonly claim: readonly string[]; readonly values: readonly string[] }[];
}

/** Thrown for a file of issuers that cannot be used: names every mistake. */
class OidcRefused extends Error {}

/**
 * Reads `config/oidc.yaml` or one's own file of issuers, whole (docs/operate/oidc.md has its form).
 * @throws OidcRefused naming every mistake
 */
export function readOidcFile(path: string): readonly Issuer[] {
  const document = parseDocument(readFileSync(path, 'utf8'), { strict: true, uniqueKeys: true });
  const mistakes = document.errors.map(({ message }) => message.split('\n', 1)[0] ?? '');
  const content: unknown = mistakes.length === 0 ? document.toJS({ maxAliasCount: 0 }) : null;
  if (mistakes.length === 0 && !file.Check(content)) {
    for (const { instancePath, message } of file.Errors(content)) mistakes.push(`${placeOf(instancePath)} ${message}`);
  }
  if (mistakes.length > 0) throw refused(path, mistakes);
  const { issuers } = content as Static<typeof OidcFile>;
  for (const one of issuers) mistakes.push(...mistakesOf(one).map((mistake) => `${one.name}: ${mistake}`));
  for (const member of ['name', 'issuer'] as const) {
    const twice = issuers.map((one) => one[member]).filter((value, at, all) => all.indexOf(value) !== at);
    for (const value of new Set(twice)) mistakes.push(`${member} ${value} stands twice`);
  }
  if (mistakes.length > 0) throw refused(path, mistakes);
  return issuers.map(issuerOf);
}

function refused(path: string, mistakes: readonly string[]): OidcRefused {
  return new OidcRefused(`${path} cannot be used:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
}

/** `/issuers/0/audience` as `issuers[0].audience`. */
function placeOf(pointer: string): string {
  return (
    pointer
      .replaceAll(/\/(\d+)/g, '[$1]')
      .replaceAll('/', '.')
      .replace(/^\./, '') || 'the file'
  );
}

type Entry = Static<typeof IssuerEntry>;

function mistakesOf(entry: Entry): string[] {
  const mistakes: string[] = [];
  for (const member of ['issuer', 'jwks_uri'] as const) {
    const address = entry[member];
    if (address !== undefined && !isFetched(address))
      mistakes.push(`${member} must be an https:// URL without query, fragment and login; http:// is for loopback`);
  }
  const { token = 'access', header_types: types = [], required = [] } = entry;
  if (token === 'access' && types.includes('JWT') && required.length === 0)
    mistakes.push(
      'header_types with JWT takes ID tokens for access tokens unless `required` names a claim that only access tokens have',
    );
  return mistakes;
}

/** Whether keys may be fetched from there. */
export function isFetched(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(address);
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false;
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && isLoopback);
}

function issuerOf({
  token = 'access',
  header_types,
  skew_seconds,
  max_lifetime_seconds,
  required,
  ...entry
}: Entry): Issuer {
  const types = header_types ?? [token === 'access' ? 'at+jwt' : 'JWT'];
  return {
    ...entry,
    token,
    headerTypes: new Set(types.map((type) => type.toLowerCase())),
    skewSeconds: skew_seconds ?? MAX_SKEW_SECONDS,
    maxLifetimeSeconds: max_lifetime_seconds ?? MAX_LIFETIME_SECONDS,
    required: required ?? [],
  };
}
