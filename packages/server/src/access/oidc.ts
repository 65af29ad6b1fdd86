import { createHash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { Permission, SessionCredential } from './credential.js';
import type { EnteredTokenOf } from './enteredToken.js';
import { UNBOUNDED } from './keyBounds.js';
import { createIssuerKeys, type IssuerKeysDeps } from './issuerKeys.js';
import type { LivingTenant } from './livingTenant.js';
import type { Issuer } from './oidcFile.js';
import { Refusal } from './refusal.js';

/** What taking tokens needs. */
export interface OidcDeps extends IssuerKeysDeps {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly issuers: readonly Issuer[];
  readonly livingTenant: LivingTenant;
  /** What a role may do. */
  readonly permissionsOf: (role: string) => ReadonlySet<Permission>;
  /** Token of a personal value under the tenant's pseudonym key. */
  readonly tokenOf: (tenantId: string, value: string) => Promise<string>;
  readonly enteredTokenOf: EnteredTokenOf;
}

/** Verifies tokens of the configured issuers. */
interface Oidc {
  /** The name of the issuer whose token this says it is; null: of none that is known here. Nothing is verified yet. */
  issuerOf(token: string): string | null;
  /** @throws Refusal `not_authenticated`, `credential_expired`, `tenant_required`, `unavailable` */
  verify(token: string): Promise<SessionCredential>;
}

/** Longest subject (OpenID Connect Core 2: at most 255 characters). */
const MAX_SUBJECT = 255;
/** Claims of ID tokens alone (OpenID Connect Core 2, 3.1.3.6, 3.3.2.11). */
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash', 's_hash'];
/** What Keycloak calls its tokens that are no access tokens. */
const OTHER_TYPES: ReadonlySet<unknown> = new Set(['ID', 'Refresh', 'Offline', 'Logout']);

export function createOidc(deps: OidcDeps): Oidc {
  const known = new Map(
    deps.issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, deps) }]),
  );
  const find = (token: string) => {
    const claimed = claimedIssuer(token);
    return claimed === null ? undefined : known.get(claimed);
  };
  return {
    issuerOf: (token) => find(token)?.issuer.name ?? null,
    async verify(token) {
      const found = find(token);
      if (found === undefined) throw new Refusal('not_authenticated', 'the token is of no issuer that is known here');
      const { issuer, keys } = found;
      const payload = await verified(deps, issuer, keys, token);
      return sessionOf(deps, issuer, payload, token);
    },
  };
}

/** What an unverified token says of its issuer: only which keys it is held against. */
function claimedIssuer(token: string): string | null {
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : null;
  } catch {
    return null;
  }
}

async function verified(
  { now }: OidcDeps,
  issuer: Issuer,
  keys: JWTVerifyGetKey,
  token: string,
): Promise<JWTPayload & { readonly sub: string; readonly exp: number }> {
  try {
    const { typ, crit } = decodeProtectedHeader(token);
    demand(crit === undefined, 'a header that must be understood is not');
    const type = (typ ?? 'JWT').toLowerCase().replace(/^application\//, '');
    demand(issuer.headerTypes.has(type), `a token of type ${[...issuer.headerTypes].join(' or ')} is wanted`);
    const { payload } = await jwtVerify(token, keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: issuer.algorithms,
      clockTolerance: issuer.skewSeconds,
      currentDate: new Date(now()),
      requiredClaims: ['exp', 'iat', 'sub', 'aud'],
    });
    const { sub, exp = 0, iat = 0 } = payload;
    demand(typeof sub === 'string' && sub !== '' && sub.length <= MAX_SUBJECT, 'sub is no subject');
    demand(iat <= now() / 1000 + issuer.skewSeconds, 'iat lies in the future');
    demand(exp - iat <= issuer.maxLifetimeSeconds, 'the token lives longer than this issuer’s may');
    // Bound to a key that its holder would have to prove (RFC 8705, RFC 9449): as a mere bearer's it is stolen.
    demand(payload['cnf'] === undefined, 'the token is bound to a key, and no proof of it is taken here');
    demandKind(issuer, payload);
    for (const { claim, values } of issuer.required) {
      const stated = textsAt(payload, claim);
      demand(
        values.some((value) => stated.includes(value)),
        `${claim.join('.')} is not what is required`,
      );
    }
    return { ...payload, sub, exp };
  } catch (error) {
    throw refusalOf(error);
  }
}

/** An ID token is for the client that it names, and says nothing of what its holder may do here. */
function demandKind({ token }: Issuer, payload: JWTPayload): void {
  if (token === 'id') return;
  const isOther = ID_TOKEN_CLAIMS.some((name) => payload[name] !== undefined) || OTHER_TYPES.has(payload['typ']);
  demand(!isOther, 'an access token is wanted, and this is none');
}

function demand(holds: boolean, detail: string): asserts holds {
  if (!holds) throw new Refusal('not_authenticated', `the token is not taken: ${detail}`);
}

/** Of what `jose` finds, in words without a value of the token. */
function refusalOf(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new Refusal('credential_expired', 'the token has passed its expiry');
  if (error instanceof errors.JWTClaimValidationFailed)
    return new Refusal('not_authenticated', `the token is not taken: ${error.claim} is missing or not as it must be`);
  if (error instanceof errors.JOSEError)
    return new Refusal('not_authenticated', 'the token is not signed as its issuer signs');
  // A header or a key that cannot be read at all; `jose` says so by a TypeError.
  if (error instanceof TypeError) return new Refusal('not_authenticated', 'the token is none');
  return error;
}

async function sessionOf(
  { livingTenant, permissionsOf, tokenOf, enteredTokenOf }: OidcDeps,
  issuer: Issuer,
  payload: JWTPayload & { readonly sub: string; readonly exp: number },
  token: string,
): Promise<SessionCredential> {
  const tenantId = tenantOf(issuer, payload);
  const tenant = tenantId === null ? null : await livingTenant(tenantId);
  if (tenantId === null || tenant === null)
    throw new Refusal('tenant_required', 'the token names no tenant that its issuer may name');
  const granted = textsAt(payload, issuer.roles.claim);
  const roles = [...new Set(granted.flatMap((value) => own(issuer.roles.values, value) ?? []))].sort();
  const { sid, jti } = payload;
  const session = [sid, jti].find((id): id is string => typeof id === 'string' && id !== '') ?? sha256Of(token);
  return {
    kind: 'session',
    tenantId,
    actorId: await enteredTokenOf(tenantId, `${issuer.issuer} ${payload.sub}`),
    issuer: issuer.name,
    sessionId: await tokenOf(tenantId, `${issuer.issuer} ${session}`),
    roles,
    permissions: new Set(roles.flatMap((role) => [...permissionsOf(role)])),
    tenantSynthetic: tenant.synthetic,
    bounds: UNBOUNDED,
    expiresAt: new Date((payload.exp + issuer.skewSeconds) * 1000),
  };
}

/** One string, mapped. Anything else (a list, a number, an object, nothing) names no tenant: it is not guessed which was meant. */
function tenantOf({ tenant }: Issuer, payload: JWTPayload): string | null {
  if ('id' in tenant) return tenant.id;
  const claim = valueAt(payload, tenant.claim);
  return typeof claim === 'string' ? own(tenant.values, claim) : null;
}

/** Claims whose text is a list with spaces between (RFC 6749, 3.3; `scp` is Entra's name for it). */
const SCOPES: ReadonlySet<string | undefined> = new Set(['scope', 'scp']);

/** A string, or the strings of a list. */
function textsAt(payload: JWTPayload, path: readonly string[]): readonly string[] {
  const texts = [valueAt(payload, path)].flat().filter((value): value is string => typeof value === 'string');
  return SCOPES.has(path.at(-1)) ? texts.flatMap((text) => text.split(' ')) : texts;
}

function valueAt(payload: JWTPayload, path: readonly string[]): unknown {
  let value: unknown = payload;
  for (const member of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[member];
  }
  return value;
}

/** What is mapped from a value of a claim, which may be `constructor`. */
function own<T>(values: Readonly<Record<string, T>>, name: string): T | null {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
