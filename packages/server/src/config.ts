import { homedir, userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Rates } from './access/rateLimits.js';
import { ENVIRONMENTS, type Environment } from './access/rules.js';
import { ConfigMistakes } from './configMistakes.js';
import { EXPORT_SETTINGS, type ExportSettings, readExports } from './exportSettings.js';
import { EDGE_SETTINGS, type EdgeSettings, readEdge } from './edgeSettings.js';
import { isLoopback } from './networks.js';
import { readSinks, type SinkAddress } from './sinkAddress.js';

/** Everything a Sworn process is told from outside. Read once, at the edge; nothing else reads the environment. */
export interface Config extends EdgeSettings, ExportSettings {
  /** Absolute path: embedded database, deployment id, demo files. */
  readonly dataDir: string;
  readonly host: string;
  readonly httpPort: number;
  readonly otlpHttpPort: number;
  readonly otlpGrpcPort: number;
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  readonly rolePrefix: string;
  /** Null: `<state dir>/<deployment id>/keys`. */
  readonly keyDir: string | null;
  /** Null: `<state dir>/<deployment id>/signer`. */
  readonly signerState: string | null;
  /** Where checkpoints are kept besides. */
  readonly checkpointSinks: readonly SinkAddress[];
  /** Milliseconds after the root span with nothing new until a run is sealed. */
  readonly sealGraceMs: number;
  /** Milliseconds of silence until a run without a root is sealed. */
  readonly sealIdleMs: number;
  readonly maxRequestBytes: number;
  readonly maxInFlightBytes: number;
  /** Of the embedded database's disk: below, records are refused, so that reads can still be recorded. */
  readonly diskReserveBytes: number;
  /** Requests a minute of one address, and of one credential; 0: as many as come. */
  readonly rates: Rates;
  readonly redactionFile: string | null;
  /** Null: the mapping that comes with Sworn. */
  readonly mappingDir: string | null;
  /** Null: the rules that come with Sworn. */
  readonly telemetryFile: string | null;
  /** Null: nobody is expected. */
  readonly producersFile: string | null;
  /** Null: the rules of access that come with Sworn. */
  readonly rbacFile: string | null;
  /** What the server is for; rules of access may ask. */
  readonly environment: Environment;
  /** Null: the file that comes with Sworn, which names no issuer. */
  readonly oidcFile: string | null;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Where key directory and signer memory live unless told otherwise; outside the data directory. */
  readonly stateDir: string;
}

/** One setting, as the configuration page and `readConfig` see it. */
export interface Setting {
  readonly name: string;
  /** As shown in the docs; the value used when the variable is absent or empty. */
  readonly default: string;
  readonly meaning: string;
}

/** Requests a minute; more than one process could answer. */
const MAX_RATE = 10_000_000;

const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Every environment variable Sworn reads, in the order of `docs/operate/configuration.md`, which is generated from it.
 * @public by `scripts/configurationPage.mjs`
 */
export const SETTINGS = [
  {
    name: 'SWORN_DATA_DIR',
    default: '.sworn (root: /var/lib/sworn)',
    meaning: 'Embedded database, deployment id, demo files.',
  },
  {
    name: 'SWORN_HOST',
    default: '127.0.0.1',
    meaning: 'Address to listen on. Anything but loopback needs TLS files or SWORN_TLS_PROXY.',
  },
  { name: 'SWORN_HTTP_PORT', default: '4300', meaning: 'Port of the read facade. 0 takes a free one.' },
  { name: 'SWORN_OTLP_HTTP_PORT', default: '4318', meaning: 'Port of OTLP over HTTP. 0 takes a free one.' },
  { name: 'SWORN_OTLP_GRPC_PORT', default: '4317', meaning: 'Port of OTLP over gRPC. 0 takes a free one.' },
  {
    name: 'SWORN_DATABASE_URL',
    default: '(absent: embedded)',
    meaning:
      'postgres:// URL of a PostgreSQL 15 or newer, of a role that owns the database and may create roles. Used to migrate only.',
  },
  {
    name: 'SWORN_DATABASE_ROLE_PREFIX',
    default: 'sworn',
    meaning: 'Prefix of the seven database roles; roles are cluster-wide, so two deployments on one cluster need two.',
  },
  {
    name: 'SWORN_KEY_DIR',
    default: '<state>/<deployment id>/keys',
    meaning:
      'Key store. Refused inside the data directory. <state> is ~/.local/state/sworn, for root /var/lib/sworn-keys.',
  },
  {
    name: 'SWORN_SIGNER_STATE',
    default: '<state>/<deployment id>/signer',
    meaning: "The signer's memory. Refused inside the data directory.",
  },
  {
    name: 'SWORN_CHECKPOINT_SINKS',
    default: '(none)',
    meaning:
      'Comma-separated URLs of places that keep signed checkpoints: file:///<directory>, https://<host>/<path>, http:// of loopback. See docs/operate/outside-memory.md.',
  },
  {
    name: 'SWORN_CHECKPOINT_SINK_TOKENS',
    default: '(none)',
    meaning: 'Comma-separated <host>=<token> or <host>:<port>=<token>: bearer credentials of https sinks.',
  },
  {
    name: 'SWORN_SEAL_GRACE_MS',
    default: '12000',
    meaning: 'Milliseconds after the root span, with nothing new, until a run is sealed.',
  },
  {
    name: 'SWORN_SEAL_IDLE_MS',
    default: '300000',
    meaning: 'Milliseconds of silence until a run without a root span is sealed.',
  },
  {
    name: 'SWORN_MAX_REQUEST_BYTES',
    default: '67108864',
    meaning: 'Largest OTLP request, before and after decompression.',
  },
  {
    name: 'SWORN_MAX_IN_FLIGHT_BYTES',
    default: '67108864',
    meaning:
      'Bytes of OTLP requests in memory at once, HTTP and gRPC together; a tenant gets a quarter. Beyond: 429, RESOURCE_EXHAUSTED with RetryInfo.',
  },
  {
    name: 'SWORN_RATE_ADDRESS',
    default: '12000',
    meaning:
      'Requests a minute, and of one burst, of an address (IPv4, or a /64 of IPv6), to all listeners together. Beyond: 429. 0: as many as come. See docs/operate/rate-limits.md.',
  },
  {
    name: 'SWORN_RATE_LOOPBACK',
    default: '120000',
    meaning: 'The same of each address of loopback, and so of all who come through a proxy that is not named.',
  },
  {
    name: 'SWORN_RATE_CREDENTIAL',
    default: '60000',
    meaning: 'The same of each API key and each person, wherever they come from.',
  },
  {
    name: 'SWORN_DISK_RESERVE_BYTES',
    default: '268435456',
    meaning:
      'Bytes to be free on the disk of the embedded database: with less no records are taken, 503, so that reads can still be recorded. 0: the disk is used up.',
  },
  {
    name: 'SWORN_REDACTION_FILE',
    default: '(built-in rules)',
    meaning: "YAML with one's own redaction rules, added to the built-in ones.",
  },
  {
    name: 'SWORN_MAPPING_DIR',
    default: '(built-in mapping)',
    meaning: 'Directory of a whole mapping, in the place of the built-in one. See docs/mapping.md.',
  },
  {
    name: 'SWORN_TELEMETRY_FILE',
    default: '(built-in rules)',
    meaning: 'YAML of how metrics are read for a run, whole, in the place of the built-in one. See docs/telemetry.md.',
  },
  {
    name: 'SWORN_PRODUCERS_FILE',
    default: '(nobody)',
    meaning: 'YAML of who should report, and how long each may be silent. See docs/operate/producers.md.',
  },
  {
    name: 'SWORN_RBAC_FILE',
    default: '(built-in rules)',
    meaning: 'YAML of who may read what, whole, in the place of the built-in one. See docs/operate/rbac.md.',
  },
  {
    name: 'SWORN_ENVIRONMENT',
    default: 'production',
    meaning: 'production or preflight: what the server is for, which rules of access may ask.',
  },
  {
    name: 'SWORN_OIDC_FILE',
    default: '(no issuer)',
    meaning: 'YAML of the identity providers whose tokens the facade takes, whole. See docs/operate/oidc.md.',
  },
  ...EDGE_SETTINGS,
  ...EXPORT_SETTINGS,
  { name: 'SWORN_LOG_LEVEL', default: 'info', meaning: 'debug, info, warn or error.' },
  {
    name: 'SWORN_WATCH_TOKEN',
    default: '(none)',
    meaning: 'Credential of `sworn watch`, where --credential-file names none. Nothing else reads it.',
  },
] as const satisfies readonly Setting[];

type SettingName = (typeof SETTINGS)[number]['name'];

/**
 * Reads and checks every setting.
 * @throws ConfigMistakes naming all mistakes, unknown `SWORN_*` variables included (`SWORN_TEST_*` is left to tests).
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const mistakes: string[] = [];
  const known = new Set<string>(SETTINGS.map((s) => s.name));
  for (const name of Object.keys(env)) {
    if (name.startsWith('SWORN_') && !name.startsWith('SWORN_TEST_') && !known.has(name)) {
      mistakes.push(`${name} is not a setting of Sworn; see docs/operate/configuration.md`);
    }
  }
  const text = (name: SettingName): string | null => env[name]?.trim() || null;
  const integer = (name: SettingName, fallback: number, min: number, max: number): number => {
    const value = text(name);
    if (value === null) return fallback;
    const n = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (n >= min && n <= max) return n;
    mistakes.push(`${name} must be a whole number from ${min} to ${max}, not "${value}"`);
    return fallback;
  };
  const list = (name: SettingName): string[] =>
    (text(name) ?? '')
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '');
  const path = (name: SettingName): string | null => {
    const value = text(name);
    return value === null ? null : resolve(value);
  };

  const host = text('SWORN_HOST') ?? '127.0.0.1';
  const dataDir = resolve(text('SWORN_DATA_DIR') ?? (isRoot() ? '/var/lib/sworn' : '.sworn'));
  const keyDir = path('SWORN_KEY_DIR');
  const signerState = path('SWORN_SIGNER_STATE');
  for (const [name, dir] of [
    ['SWORN_KEY_DIR', keyDir],
    ['SWORN_SIGNER_STATE', signerState],
  ] as const) {
    if (dir !== null && isInside(dir, dataDir)) {
      mistakes.push(`${name} must not lie inside SWORN_DATA_DIR (${dataDir}): a copy of the data would carry it`);
    }
  }

  const rolePrefix = text('SWORN_DATABASE_ROLE_PREFIX') ?? 'sworn';
  if (!/^[a-z][a-z0-9_]{0,40}$/.test(rolePrefix)) {
    mistakes.push('SWORN_DATABASE_ROLE_PREFIX must be a-z, 0-9 and _, starting with a letter, at most 41 characters');
  }
  const databaseUrl = text('SWORN_DATABASE_URL');
  if (databaseUrl !== null) mistakes.push(...databaseUrlMistakes(databaseUrl));

  // Who is the database's superuser there is whoever runs this process.
  const oneUser = databaseUrl === null && !isRoot();
  const sinks = readSinks(list('SWORN_CHECKPOINT_SINKS'), list('SWORN_CHECKPOINT_SINK_TOKENS'), { dataDir, oneUser });
  mistakes.push(...sinks.mistakes);

  const edge = readEdge({ text, list, path }, host);
  mistakes.push(...edge.mistakes);
  const exports = readExports({ text, integer });
  mistakes.push(...exports.mistakes);

  const logLevel = text('SWORN_LOG_LEVEL') ?? 'info';
  if (!isLogLevel(logLevel)) mistakes.push(`SWORN_LOG_LEVEL must be debug, info, warn or error, not "${logLevel}"`);

  const environmentText = text('SWORN_ENVIRONMENT') ?? 'production';
  const environment = ENVIRONMENTS.find((one) => one === environmentText);
  if (environment === undefined)
    mistakes.push(`SWORN_ENVIRONMENT must be ${ENVIRONMENTS.join(' or ')}, not "${environmentText}"`);

  const config: Config = {
    dataDir,
    host,
    httpPort: integer('SWORN_HTTP_PORT', 4300, 0, 65_535),
    otlpHttpPort: integer('SWORN_OTLP_HTTP_PORT', 4318, 0, 65_535),
    otlpGrpcPort: integer('SWORN_OTLP_GRPC_PORT', 4317, 0, 65_535),
    databaseUrl,
    rolePrefix,
    keyDir,
    signerState,
    checkpointSinks: sinks.sinks,
    sealGraceMs: integer('SWORN_SEAL_GRACE_MS', 12_000, 0, 3_600_000),
    sealIdleMs: integer('SWORN_SEAL_IDLE_MS', 300_000, 0, 86_400_000),
    maxRequestBytes: integer('SWORN_MAX_REQUEST_BYTES', 64 << 20, 1024, 1 << 30),
    maxInFlightBytes: integer('SWORN_MAX_IN_FLIGHT_BYTES', 64 << 20, 1024, 4 * (1 << 30)),
    diskReserveBytes: integer('SWORN_DISK_RESERVE_BYTES', 256 << 20, 0, 2 ** 49),
    rates: {
      address: integer('SWORN_RATE_ADDRESS', 12_000, 0, MAX_RATE),
      loopback: integer('SWORN_RATE_LOOPBACK', 120_000, 0, MAX_RATE),
      credential: integer('SWORN_RATE_CREDENTIAL', 60_000, 0, MAX_RATE),
    },
    redactionFile: path('SWORN_REDACTION_FILE'),
    mappingDir: path('SWORN_MAPPING_DIR'),
    telemetryFile: path('SWORN_TELEMETRY_FILE'),
    producersFile: path('SWORN_PRODUCERS_FILE'),
    rbacFile: path('SWORN_RBAC_FILE'),
    environment: environment ?? 'production',
    oidcFile: path('SWORN_OIDC_FILE'),
    ...edge.settings,
    ...exports.settings,
    logLevel: isLogLevel(logLevel) ? logLevel : 'info',
    stateDir: isRoot() ? '/var/lib/sworn-keys' : join(homeOf(env), '.local/state/sworn'),
  };
  if (mistakes.length > 0) throw new ConfigMistakes(mistakes);
  return config;
}

function isInside(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith('/') ? dir : `${dir}/`);
}

function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  const home = env.HOME;
  return home !== undefined && isAbsolute(home) ? home : (userInfo().homedir ?? homedir());
}

function isLogLevel(value: string): value is Config['logLevel'] {
  return value === 'debug' || value === 'info' || value === 'warn' || value === 'error';
}

/** A database beyond socket and loopback must prove its name: `sslmode=verify-full`. */
function databaseUrlMistakes(value: string): string[] {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    return ['SWORN_DATABASE_URL is not a URL; it looks like postgres://user:password@host:5432/database'];
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
    return ['SWORN_DATABASE_URL must start with postgres:// or postgresql://'];
  }
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  const isLocal = host === '' || host.startsWith('/') || isLoopback(host);
  if (!isLocal && url.searchParams.get('sslmode') !== 'verify-full') {
    return ['SWORN_DATABASE_URL goes over a network: it needs sslmode=verify-full'];
  }
  return [];
}
