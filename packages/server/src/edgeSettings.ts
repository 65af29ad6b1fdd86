import { isLoopback, type Networks, readNetworks } from './networks.js';
import type { TlsPlaces } from './tls.js';

/** Their variables, in the order of the configuration page. */
export const EDGE_SETTINGS = [
  {
    name: 'SWORN_ALLOWED_HOSTS',
    default: '(loopback names and SWORN_HOST)',
    meaning: 'Comma-separated Host names the facade answers to, beside that of SWORN_PUBLIC_URL; others get 421.',
  },
  {
    name: 'SWORN_PUBLIC_URL',
    default: '(none)',
    meaning:
      'https://<host>[:<port>] where others reach the facade, through a proxy or not; its host is answered to. http:// of loopback too.',
  },
  {
    name: 'SWORN_TRUSTED_PROXIES',
    default: '(none)',
    meaning:
      'Comma-separated addresses and networks (CIDR), IPv4 and IPv6, whose X-Forwarded-For counts. See docs/operate/proxy.md.',
  },
  {
    name: 'SWORN_TLS_CERT',
    default: '(none)',
    meaning:
      'PEM certificate chain; with SWORN_TLS_KEY all listeners speak TLS. Read anew when it changes. See docs/operate/tls.md.',
  },
  { name: 'SWORN_TLS_KEY', default: '(none)', meaning: 'PEM private key, which others may not read.' },
  {
    name: 'SWORN_INGEST_CLIENT_CA',
    default: '(none)',
    meaning:
      'PEM certificates of authorities: senders of OTLP show a certificate of one of them, beside their key. Needs SWORN_TLS_CERT.',
  },
  {
    name: 'SWORN_INGEST_CLIENT_CERT',
    default: 'required',
    meaning:
      'required or optional: whether a sender without a certificate may connect. One with a bad certificate may not.',
  },
  {
    name: 'SWORN_TLS_PROXY',
    default: 'false',
    meaning: 'true states that a TLS proxy stands in front of a non-loopback address.',
  },
  {
    name: 'SWORN_METRICS_TOKEN',
    default: '(none)',
    meaning:
      'Bearer token of /metrics, 16 to 256 printable characters. Without it /metrics answers this machine alone, and nobody behind a proxy.',
  },
] as const;

/** How the listeners meet the outside. */
export interface EdgeSettings {
  /** Host names of the facade beside that it listens on; with that of the public URL. */
  readonly allowedHosts: readonly string[];
  /** As the outside sees the facade: `https://evidence.example`, with a port or without. Null: nobody says. */
  readonly publicUrl: string | null;
  readonly trustedProxies: { readonly texts: readonly string[]; readonly networks: Networks };
  readonly tls: TlsPlaces | null;
  readonly tlsProxy: boolean;
  /** A proxy is stated, by either setting: an address of loopback says nothing of who asks. */
  readonly proxied: boolean;
  /** Null: `/metrics` answers this machine alone. */
  readonly metricsToken: string | null;
}

/** Reads one setting: as text, null when it is absent; as a list; as an absolute path. */
export interface SettingReader {
  text(name: EdgeSettingName): string | null;
  list(name: EdgeSettingName): readonly string[];
  path(name: EdgeSettingName): string | null;
}

type EdgeSettingName = (typeof EDGE_SETTINGS)[number]['name'];

/** The settings of the edge of a server that listens on `host`, and every mistake in them. */
export function readEdge(
  { text, list, path }: SettingReader,
  host: string,
): { readonly settings: EdgeSettings; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const cert = path('SWORN_TLS_CERT');
  const key = path('SWORN_TLS_KEY');
  if ((cert === null) !== (key === null)) mistakes.push('SWORN_TLS_CERT and SWORN_TLS_KEY go together');
  const clientCa = path('SWORN_INGEST_CLIENT_CA');
  const demand = text('SWORN_INGEST_CLIENT_CERT') ?? 'required';
  if (demand !== 'required' && demand !== 'optional')
    mistakes.push('SWORN_INGEST_CLIENT_CERT must be required or optional');
  if (clientCa !== null && cert === null)
    mistakes.push(
      'SWORN_INGEST_CLIENT_CA needs SWORN_TLS_CERT and SWORN_TLS_KEY: without TLS there are no certificates',
    );
  if (clientCa === null && text('SWORN_INGEST_CLIENT_CERT') !== null)
    mistakes.push('SWORN_INGEST_CLIENT_CERT needs SWORN_INGEST_CLIENT_CA: whose certificates?');
  const clients =
    clientCa === null
      ? null
      : { ca: clientCa, demand: demand === 'optional' ? ('optional' as const) : ('required' as const) };
  const tls = cert !== null && key !== null ? { cert, key, clients } : null;
  const tlsProxyText = text('SWORN_TLS_PROXY') ?? 'false';
  if (tlsProxyText !== 'true' && tlsProxyText !== 'false') mistakes.push('SWORN_TLS_PROXY must be true or false');
  const tlsProxy = tlsProxyText === 'true';
  if (!isLoopback(host) && tls === null && !tlsProxy) {
    mistakes.push(
      `SWORN_HOST ${host} is not loopback: give SWORN_TLS_CERT and SWORN_TLS_KEY, or state SWORN_TLS_PROXY=true`,
    );
  }

  const proxies = list('SWORN_TRUSTED_PROXIES');
  const { networks, mistakes: noNetworks } = readNetworks('SWORN_TRUSTED_PROXIES', proxies);
  mistakes.push(...noNetworks);
  const publicUrl = text('SWORN_PUBLIC_URL');
  if (publicUrl !== null && !isPublicUrl(publicUrl))
    mistakes.push(
      'SWORN_PUBLIC_URL must be https://<host> or https://<host>:<port> and no more; http:// of loopback only',
    );
  const metricsToken = text('SWORN_METRICS_TOKEN');
  if (metricsToken !== null && !/^[!-~]{16,256}$/.test(metricsToken))
    mistakes.push(
      'SWORN_METRICS_TOKEN must be 16 to 256 printable characters without spaces; try openssl rand -hex 32',
    );
  const allowedHosts = [...list('SWORN_ALLOWED_HOSTS')];
  if (publicUrl !== null && isPublicUrl(publicUrl))
    allowedHosts.push(new URL(publicUrl).hostname.replace(/^\[|\]$/g, ''));
  const trustedProxies = { texts: proxies, networks };
  const proxied = tlsProxy || proxies.length > 0;
  return { settings: { allowedHosts, publicUrl, trustedProxies, tls, tlsProxy, proxied, metricsToken }, mistakes };
}

/** An origin and nothing behind it; over a network TLS, since credentials go there. */
function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, origin } = new URL(text);
  const isPrivate = protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, ''));
  return (protocol === 'https:' || isPrivate) && text.toLowerCase().replace(/\/$/, '') === origin;
}
