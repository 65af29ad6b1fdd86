import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';

/** Signatures by a key pair alone: with an HMAC whoever verifies could sign, and `none` is no signature. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;
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
        values: Type.Record(Type.String(), Text, {
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

/** Something wrong with the issuers, and where. */
interface OidcMistake {
  readonly path: readonly (string | number)[];
  readonly why: string;
}

/** Thrown for issuers that cannot be used; names every mistake. */
export class OidcRefused extends Error {
  readonly mistakes: readonly OidcMistake[];

  constructor(mistakes: readonly OidcMistake[]) {
    super(`identity providers:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/**
 * Compiles identity providers (docs/operate/oidc.md has their form); `roles` are those that sessions may have. Strict: what is unknown, missing, twice
 * there or of another form is a mistake.
 * @throws OidcRefused naming every mistake.
 */
export function compileIssuers(content: unknown, roles: readonly string[]): readonly Issuer[] {
  if (!file.Check(content)) throw new OidcRefused(file.Errors(content).flatMap(mistakeOf));
  const { issuers } = content;
  const mistakes: OidcMistake[] = issuers.flatMap((one, i) =>
    mistakesOf(one, roles).map(({ path, why }) => ({ path: ['issuers', i, ...path], why })),
  );
  for (const member of ['name', 'issuer'] as const)
    for (const [i, one] of issuers.entries())
      if (issuers.findIndex((other) => other[member] === one[member]) < i)
        mistakes.push({ path: ['issuers', i, member], why: `${one[member]} stands twice` });
  if (mistakes.length > 0) throw new OidcRefused(mistakes);
  return issuers.map(issuerOf);
}

/** What a schema has to say, of the member that it is about. */
function mistakeOf(error: ReturnType<typeof file.Errors>[number]): OidcMistake[] {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));
  switch (error.keyword) {
    case 'additionalProperties':
      return []; // Each of them is told of by itself.
    case 'boolean':
      return [{ path, why: 'is no member here; docs/operate/oidc.md names them' }];
    case 'required':
      return [{ path, why: `lacks ${error.params.requiredProperties.join(', ')}` }];
    case 'enum':
      return [{ path, why: `must be one of ${error.params.allowedValues.join(', ')}` }];
    default:
      return [{ path, why: error.message }];
  }
}

type Entry = Static<typeof IssuerEntry>;

function mistakesOf(entry: Entry, roles: readonly string[]): OidcMistake[] {
  const mistakes: OidcMistake[] = [];
  for (const [value, role] of Object.entries(entry.roles.values))
    if (!roles.includes(role))
      mistakes.push({
        path: ['roles', 'values', value],
        why: `must be one of ${roles.join(', ')}: the roles of SWORN_RBAC_FILE that read`,
      });
  for (const member of ['issuer', 'jwks_uri'] as const) {
    const address = entry[member];
    if (address !== undefined && !isFetched(address))
      mistakes.push({
        path: [member],
        why: 'must be an https:// URL without query, fragment and login; http:// is for loopback',
      });
  }
  const { token = 'access', header_types: types = [], required = [] } = entry;
  if (token === 'access' && types.includes('JWT') && required.length === 0)
    mistakes.push({
      path: ['header_types'],
      why: 'with JWT takes ID tokens for access tokens unless `required` names a claim that only access tokens have',
    });
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
