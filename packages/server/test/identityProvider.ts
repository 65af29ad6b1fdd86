import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';

/** An OpenID provider that nobody here wrote, on a socket of its own. */
export interface IdentityProvider {
  readonly issuer: string;
  /** An access token for `audience`, as the provider itself makes it for a client's credentials. */
  token(claims: Record<string, unknown>, audience?: string): Promise<string>;
  /** A token signed by hand with the provider's newest key, or with another. */
  sign(payload: JWTPayload, header?: Partial<JWTHeaderParameters>, key?: CryptoKey | Uint8Array): Promise<string>;
  /** Gives up all keys for one new one. */
  rotate(): Promise<void>;
  /** How often its keys were fetched. */
  fetches(): number;
  /** What it answers instead of itself from now on; null: itself. */
  instead(answer: ((request: IncomingMessage, response: ServerResponse) => void) | null): void;
  close(): Promise<void>;
}

const CLIENT = { client_id: 'console', client_secret: 'a-secret-of-the-test-client' };

/** Listens on a free port of loopback. */
export async function startIdentityProvider(): Promise<IdentityProvider> {
  let claims: Record<string, unknown> = {};
  let fetches = 0;
  let other: ((request: IncomingMessage, response: ServerResponse) => void) | null = null;
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined;
  let key: { readonly kid: string; readonly privateKey: CryptoKey };
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/jwks') === true) fetches += 1;
    if (other === null) void handle(request, response);
    else other(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function rotate(): Promise<void> {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    const kid = crypto.randomUUID();
    key = { kid, privateKey };
    const provider = new Provider(issuer, {
      jwks: { keys: [{ ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }] },
      clients: [{ ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      extraTokenClaims: () => claims,
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context, resource) => ({
            scope: '',
            audience: resource,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    handle = provider.callback();
  }
  await rotate();
  return {
    issuer,
    rotate,
    async token(more, audience = 'https://sworn.example/') {
      claims = more;
      const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${CLIENT.client_id}:${CLIENT.client_secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
      });
      const said = (await answer.json()) as { readonly access_token?: string };
      if (said.access_token === undefined) throw new Error(JSON.stringify(said));
      return said.access_token;
    },
    sign: (payload, header = {}, by = key.privateKey) =>
      new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: key.kid, ...header }).sign(by),
    fetches: () => fetches,
    instead: (answer) => {
      other = answer;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
