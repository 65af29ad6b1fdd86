import { readFileSync } from 'node:fs';

/** Where a database is, without anyone's credentials. */
export interface DatabaseAddress {
  /** Host name, address, or the directory of a Unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Null: no TLS, for a socket or loopback only. Else the certificate must verify and name the host; `ca` in PEM replaces the system's roots. */
  readonly tls: { readonly ca: string | null } | null;
}

/** Someone who may connect. */
export interface Login {
  readonly user: string;
  readonly password: string;
}

/**
 * Reads `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=<file>`; `host` may stand in the query for a socket.
 * @throws Error when something is missing, or when the way leads over a network without `sslmode=verify-full`.
 */
export function parseDatabaseUrl(text: string): { readonly address: DatabaseAddress; readonly login: Login } {
  const url = new URL(text);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw new Error('a database URL begins with postgres://');
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1');
  const database = decodeURIComponent(url.pathname.slice(1));
  const user = decodeURIComponent(url.username);
  if (host === '' || database === '' || user === '') throw new Error('a database URL names host, database and user');
  const sslmode = url.searchParams.get('sslmode');
  if (sslmode !== 'verify-full' && !isLocal(host))
    throw new Error('a database beyond socket and loopback needs sslmode=verify-full');
  const rootCert = url.searchParams.get('sslrootcert');
  return {
    address: {
      host,
      port: url.port === '' ? 5432 : Number(url.port),
      database,
      tls: sslmode === 'verify-full' ? { ca: rootCert === null ? null : readFileSync(rootCert, 'utf8') } : null,
    },
    login: { user, password: decodeURIComponent(url.password) },
  };
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
