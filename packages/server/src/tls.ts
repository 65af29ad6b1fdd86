import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:net';
import { createSecureContext, type SecureContextOptions, Server as TlsServer, type TLSSocket } from 'node:tls';
import { type Loop, startLoop } from './loop.js';

/** Where the certificate lies, and who may connect to the OTLP listeners with it. Paths. */
export interface TlsPlaces {
  readonly cert: string;
  readonly key: string;
  /** Null: senders are not asked for a certificate. */
  readonly clients: { readonly ca: string; readonly demand: ClientDemand } | null;
}

/** `optional`: who shows a certificate shows a good one. */
export type ClientDemand = 'required' | 'optional';

/** What a TLS server of Node is told. */
export interface TlsOptions extends SecureContextOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
  readonly handshakeTimeout: number;
}

/** The options of each kind of listener, from files as they are now. */
export interface TlsRead {
  readonly facade: TlsOptions;
  readonly ingest: TlsOptions;
  /** When the certificate ends, milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What every client that is still supported speaks (RFC 9325, 3.1.1 and 4.2): TLS 1.2 with forward secrecy and AEAD, or 1.3. */
const HANDSHAKE = {
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  /** Milliseconds a client may take for it. */
  handshakeTimeout: 10_000,
} as const;

/** Milliseconds between two looks at the files: a renewal is due weeks before the end. Looking, since a watch sees nothing of a mounted secret that is replaced. */
const LOOK_EVERY_MS = 5_000;

/** Reads and tries the files. @throws Error a sentence that names the setting and the remedy. */
export function readTls(places: TlsPlaces): TlsRead {
  const cert = contentOf('SWORN_TLS_CERT', places.cert);
  refuseExposedKey(places.key);
  const key = contentOf('SWORN_TLS_KEY', places.key);
  const facade = { ...HANDSHAKE, cert, key };
  tryOut(`SWORN_TLS_CERT ${places.cert} and SWORN_TLS_KEY ${places.key} are no certificate and its key`, facade);
  const expiresAt = Date.parse(new X509Certificate(cert).validTo);
  if (places.clients === null) return { facade, ingest: facade, expiresAt };
  const ca = contentOf('SWORN_INGEST_CLIENT_CA', places.clients.ca);
  // An authority that cannot be read would be one that nobody has a certificate of.
  if (!ca.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`SWORN_INGEST_CLIENT_CA ${places.clients.ca} holds no certificate in PEM`);
  const ingest = { ...facade, ca, requestCert: true, rejectUnauthorized: places.clients.demand === 'required' };
  tryOut(`SWORN_INGEST_CLIENT_CA ${places.clients.ca} holds no certificates`, ingest);
  return { facade, ingest, expiresAt };
}

function contentOf(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Error(`${setting} ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

function tryOut(otherwise: string, options: SecureContextOptions): void {
  try {
    createSecureContext(options);
  } catch (error) {
    throw new Error(`${otherwise} (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`, { cause: error });
  }
}

/** Others must not read it. Its group may, where it belongs to somebody else: that is how a group is given a key (`ssl-cert`, `fsGroup`). */
function refuseExposedKey(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const open = stat.uid === process.geteuid?.() ? 0o077 : 0o027;
  if ((stat.mode & open) === 0) return;
  throw new Error(
    `SWORN_TLS_KEY ${path} is open to others (${(stat.mode & 0o777).toString(8)}): chmod 0600 ${path} (of another user: 0640), and if others were there who must not know it, have a new certificate made`,
  );
}

/** Listeners whose certificates follow the files. */
export interface TlsFollowed {
  readonly facade: Server;
  readonly ingest: readonly Server[];
}

/** Who hears of it. */
export interface TlsTold {
  /** When the certificate that is shown ends, milliseconds since 1970. */
  readonly tell: (expiresAt: number) => void;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
}

/**
 * Renews certificate, key and authorities of running listeners when the files change. Files that do not fit together, as in the middle of a renewal, are told and left alone;
 * connections that are open stay open, sessions of before are not taken up again.
 */
export function followTls(places: TlsPlaces, { facade, ingest }: TlsFollowed, { tell, log }: TlsTold): Loop {
  let looked = '';
  return startLoop(
    LOOK_EVERY_MS,
    async () => {
      const now = contentsOf(places);
      if (now === looked) return;
      const isFirst = looked === '';
      looked = now;
      const read = readTls(places);
      for (const server of [facade, ...ingest]) {
        if (!(server instanceof TlsServer)) throw new Error('a listener that has no certificate');
        server.setSecureContext(server === facade ? read.facade : read.ingest);
      }
      tell(read.expiresAt);
      if (!isFirst)
        log.info({ expiresAt: new Date(read.expiresAt).toISOString() }, 'the TLS certificate was read anew');
    },
    (error) =>
      log.error(
        { reason: error instanceof Error ? error.message : null },
        'the TLS files have changed and cannot be used; the former ones are',
      ),
  );
}

/** All bytes, and the key's mode, as one text to compare; a file that is away for a moment is a state too. */
function contentsOf({ cert, key, clients }: TlsPlaces): string {
  return [cert, key, ...(clients === null ? [] : [clients.ca])]
    .map((path) => {
      try {
        return `${statSync(path).mode} ${readFileSync(path, 'latin1')}`;
      } catch {
        return 'away';
      }
    })
    .join('\0');
}

/** What senders show, as connections are counted. */
export type Shown = 'verified' | 'none';

/** Looks at each connection of a listener that asks senders for certificates: one that shows a bad one is closed; `tell` hears of the others. */
export function lookAtCertificates(server: Server, tell: (shown: Shown) => void): void {
  // Before whatever would read a request from it.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (socket.authorized) tell('verified');
    else if (socket.getPeerX509Certificate() === undefined) tell('none');
    else socket.destroy();
  });
}
