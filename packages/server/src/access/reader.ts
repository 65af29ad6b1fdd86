import type { Authenticate } from './authenticate.js';
import type { KeyCredential } from './credential.js';
import { createLogins, type LoginDeps } from './login.js';
import { createOidc, type OidcDeps } from './oidc.js';
import { presentedCredential } from './presented.js';
import { Refusal } from './refusal.js';

/** What admitting readers needs. */
export interface ReaderDeps extends OidcDeps, LoginDeps {
  readonly keys: Authenticate<KeyCredential>;
}

/** A signed token has two dots, and an API key has none. */
const SIGNED = /^[^.]+\.[^.]*\.[^.]*$/;

/** Who may read: holders of API keys, and whom an identity provider signed in; the latter only as bearers of a token. */
export function createReaderAuthenticator(deps: ReaderDeps): Authenticate {
  const { keys } = deps;
  const [oidc, logins] = [createOidc(deps), createLogins(deps)];
  return async (headers, source) => {
    const { text, scheme } = presentedCredential(headers);
    if (scheme !== 'bearer' || !SIGNED.test(text)) return keys(headers, source);
    const issuer = oidc.issuerOf(text);
    try {
      const session = await oidc.verify(text);
      await logins.signedIn(session, source);
      return session;
    } catch (error) {
      // What is away is no failure of whoever signs in.
      if (issuer !== null && error instanceof Refusal && error.code !== 'unavailable')
        await logins.failed(issuer, error, source);
      throw error;
    }
  };
}
