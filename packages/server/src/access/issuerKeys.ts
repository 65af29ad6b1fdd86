import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { isFetched } from './oidcFile.js';
import { Refusal } from './refusal.js';

/** Milliseconds after any fetch, good or bad, before there is another: unknown key ids, as many as may come, cause no more. */
const COOLDOWN_MS = 30_000;
/** Milliseconds that fetched keys are taken without another look. */
const FRESH_MS = 600_000;
/** Milliseconds that they are taken while the issuer cannot be reached; a key that it gave up is then dead here too. */
const USABLE_MS = 3_600_000;
/** Milliseconds for one document, all of it. */
const FETCH_TIMEOUT_MS = 5_000;
/** Bytes of one document; a set of keys has a few KB. */
const MAX_DOCUMENT_BYTES = 262_144;
/** Keys of one issuer. */
const MAX_KEYS = 100;

/** Where an issuer's keys are. */
interface KeysAt {
  readonly issuer: string;
  /** Undefined: its discovery document says where. */
  readonly jwks_uri?: string | undefined;
}

/** What fetching needs. */
export interface IssuerKeysDeps {
  /** Milliseconds of a clock that nobody sets; the process’s own unless told otherwise. */
  readonly monotonicMs?: () => number;
  /** Told why keys could not be fetched; never a token. */
  readonly tell: (issuer: string, error: unknown) => void;
}

/**
 * The public keys of an issuer, by the header of a token: fetched when first asked for, when they are old, and when a token names one that is
 * not there, but at most once a cooldown. What the header says of where keys are (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.
 * @throws from what is returned: Refusal `unavailable` while there are none; errors of `jose` for a key that is not among them
 */
export function createIssuerKeys(
  at: KeysAt,
  { monotonicMs = () => performance.now(), tell }: IssuerKeysDeps,
): JWTVerifyGetKey {
  let held: { readonly keys: JWTVerifyGetKey; readonly fetchedAt: number } | null = null;
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | null = null;

  const age = (): number => (held === null ? Number.POSITIVE_INFINITY : monotonicMs() - held.fetchedAt);
  async function refresh(): Promise<void> {
    if (fetching === null) {
      if (monotonicMs() - triedAt < COOLDOWN_MS) return;
      triedAt = monotonicMs();
      fetching = fetchKeys(at)
        .then((set) => {
          held = { keys: createLocalJWKSet(set), fetchedAt: monotonicMs() };
        })
        .catch((error: unknown) => tell(at.issuer, error))
        .finally(() => {
          fetching = null;
        });
    }
    await fetching;
  }
  function usable(): JWTVerifyGetKey {
    if (held === null || age() >= USABLE_MS)
      throw new Refusal('unavailable', 'the keys of the issuer cannot be fetched', { retryAfter: COOLDOWN_MS / 1000 });
    return held.keys;
  }

  return async (header, token) => {
    if (age() >= FRESH_MS) await refresh();
    const keys = usable();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await refresh();
      return usable()(header, token);
    }
  };
}

async function fetchKeys({ issuer, jwks_uri: told }: KeysAt): Promise<JSONWebKeySet> {
  const found = told ?? (await discover(issuer));
  if (!isFetched(found)) throw new Error('the issuer names a place for its keys that is not https');
  const set = await fetchJson(found);
  const keys: unknown = set['keys'];
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw new Error('the issuer’s keys are no set of at most 100');
  return { keys: keys as JSONWebKeySet['keys'] };
}

/** OpenID Connect Discovery 1.0, 4.3: the document must be of the very issuer that was asked. */
async function discover(issuer: string): Promise<string> {
  const document = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (document['issuer'] !== issuer) throw new Error('the discovery document is of another issuer');
  const { jwks_uri: found } = document;
  if (typeof found !== 'string') throw new Error('the discovery document names no jwks_uri');
  return found;
}

async function fetchJson(address: string): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(address, {
    // A redirect would let whoever can make one name a place of his own.
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (answer.status !== 200 || answer.body === null) {
    await answer.body?.cancel();
    throw new Error(`the issuer answered ${answer.status}`);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of answer.body) {
    length += piece.length;
    if (length > MAX_DOCUMENT_BYTES) throw new Error(`the issuer’s document is over ${MAX_DOCUMENT_BYTES} bytes`);
    pieces.push(piece);
  }
  const value: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('the issuer’s document is no object');
  return value as Readonly<Record<string, unknown>>;
}
