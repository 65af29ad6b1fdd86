import type { Logger } from 'pino';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Loop } from './loop.js';
import { followTls, lookAtCertificates, type TlsFollowed, type TlsPlaces } from './tls.js';

/** Certificates that follow their files, and what Prometheus is told of them; null: without TLS there are none. */
export function keepCertificates(
  places: TlsPlaces | null,
  listeners: TlsFollowed,
  { registry, log }: { readonly registry: Registry; readonly log: Logger },
): Loop | null {
  if (places === null) return null;
  const expiry = new Gauge({
    name: 'sworn_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate that is shown ends.',
    registers: [registry],
  });
  if (places.clients !== null) {
    const connections = new Counter({
      name: 'sworn_ingest_tls_connections_total',
      help: 'Connections of senders by the certificate they showed: verified, or none.',
      labelNames: ['certificate'],
      registers: [registry],
    });
    for (const server of listeners.ingest)
      lookAtCertificates(server, (certificate) => connections.inc({ certificate }));
  }
  return followTls(places, listeners, { tell: (expiresAt) => expiry.set(expiresAt / 1000), log });
}
