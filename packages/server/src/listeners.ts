import type { AddressInfo, Server } from 'node:net';
import type { Config } from './config.js';

/** Resolves when the server listens. */
export function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

/** Base URL of a server that listens, without a slash at the end. */
export function baseUrl(config: Config, address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') throw new Error('a server that listens on no port');
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return `${config.tls === null ? 'http' : 'https'}://${host}:${address.port}`;
}
