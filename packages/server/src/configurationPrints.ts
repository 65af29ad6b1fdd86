import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hex, hmacSha256, utf8 } from '@sworn/evidence';
import type { Config } from './config.js';

/** One thing that a server is told from outside, and what it was: equal prints, equal things. */
export interface ConfigurationPrint {
  /** Of a setting, or of a file under `config/`. */
  readonly name: string;
  /** 16 hex digits of an HMAC: who has no key of ours cannot try out what a setting may be. */
  readonly print: string;
}

/** The files that come with Sworn. */
const BUILT_IN = fileURLToPath(new URL('../../../config/', import.meta.url));
const PRINT_DIGITS = 16;

/** Prints of every setting that is no secret and of every file of rules, in the order of their names. */
export function configurationPrints(config: Config, directoryKey: Uint8Array): readonly ConfigurationPrint[] {
  const prints: ConfigurationPrint[] = [];
  for (const [name, value] of [...settings(config), ...files(config)]) {
    const mac = hmacSha256(directoryKey, utf8(`sworn.configuration/1\0${name}\0`), value);
    prints.push({ name, print: hex(mac).slice(0, PRINT_DIGITS) });
  }
  return prints.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Names of what is not what it was; null `before`: nothing is known of it. */
export function changedNames(
  before: readonly ConfigurationPrint[] | null,
  now: readonly ConfigurationPrint[],
): readonly string[] {
  if (before === null) return [];
  const known = new Map(before.map(({ name, print }) => [name, print]));
  const changed = now.filter(({ name, print }) => known.get(name) !== print).map(({ name }) => name);
  const gone = before.filter(({ name }) => !now.some((one) => one.name === name)).map(({ name }) => name);
  return [...changed, ...gone];
}

/** Not the tokens, nor the login of the database: secrets change without a change of what the server does. */
function settings(config: Config): readonly (readonly [string, Uint8Array])[] {
  const said: Readonly<Record<string, unknown>> = {
    SWORN_DATA_DIR: config.dataDir,
    SWORN_HOST: config.host,
    SWORN_HTTP_PORT: config.httpPort,
    SWORN_OTLP_HTTP_PORT: config.otlpHttpPort,
    SWORN_OTLP_GRPC_PORT: config.otlpGrpcPort,
    SWORN_DATABASE_URL: config.databaseUrl === null ? null : placeOf(config.databaseUrl),
    SWORN_DATABASE_ROLE_PREFIX: config.rolePrefix,
    SWORN_KEY_DIR: config.keyDir,
    SWORN_SIGNER_STATE: config.signerState,
    SWORN_CHECKPOINT_SINKS: config.checkpointSinks.map(({ name }) => name),
    SWORN_SEAL_GRACE_MS: config.sealGraceMs,
    SWORN_SEAL_IDLE_MS: config.sealIdleMs,
    SWORN_MAX_REQUEST_BYTES: config.maxRequestBytes,
    SWORN_MAX_IN_FLIGHT_BYTES: config.maxInFlightBytes,
    SWORN_DISK_RESERVE_BYTES: config.diskReserveBytes,
    SWORN_RATE_ADDRESS: config.rates.address,
    SWORN_RATE_LOOPBACK: config.rates.loopback,
    SWORN_RATE_CREDENTIAL: config.rates.credential,
    SWORN_ENVIRONMENT: config.environment,
    SWORN_ALLOWED_HOSTS: config.allowedHosts,
    SWORN_PUBLIC_URL: config.publicUrl,
    SWORN_TRUSTED_PROXIES: config.trustedProxies.texts,
    SWORN_TLS_CERT: config.tls?.cert,
    SWORN_TLS_KEY: config.tls?.key,
    SWORN_INGEST_CLIENT_CA: config.tls?.clients?.ca,
    SWORN_INGEST_CLIENT_CERT: config.tls?.clients?.demand,
    SWORN_TLS_PROXY: config.tlsProxy,
    SWORN_EXPORT_RETENTION_DAYS: config.exportRetentionDays,
    SWORN_EXPORT_S3_BUCKET: config.exportS3?.bucket,
    SWORN_EXPORT_S3_ENDPOINT: config.exportS3?.endpoint,
    SWORN_EXPORT_S3_REGION: config.exportS3?.region,
    SWORN_EXPORT_S3_PREFIX: config.exportS3?.prefix,
    SWORN_EXPORT_S3_PATH_STYLE: config.exportS3?.isPathStyle,
    SWORN_EXPORT_LINK_SECONDS: config.exportLinkSeconds,
    SWORN_LOG_LEVEL: config.logLevel,
  };
  return Object.entries(said).map(([name, value]) => [name, utf8(JSON.stringify(value ?? null))]);
}

function placeOf(databaseUrl: string): string {
  const { host, pathname, search } = new URL(databaseUrl);
  return `${host}${pathname}${search}`;
}

function files(config: Config): readonly (readonly [string, Uint8Array])[] {
  const builtIn = ['', 'mapping/'].flatMap((folder) =>
    yamlIn(join(BUILT_IN, folder)).map(
      (name) => [`config/${folder}${name}`, readFileSync(join(BUILT_IN, folder, name))] as const,
    ),
  );
  const { redactionFile, mappingDir, telemetryFile, producersFile, rbacFile, oidcFile } = config;
  const own = [
    ['SWORN_REDACTION_FILE', redactionFile],
    ['SWORN_TELEMETRY_FILE', telemetryFile],
    ['SWORN_RBAC_FILE', rbacFile],
    ['SWORN_OIDC_FILE', oidcFile],
    ['SWORN_PRODUCERS_FILE', producersFile],
  ] as const;
  return [
    ...builtIn,
    ...own.flatMap(([name, path]) => (path === null ? [] : [[name, readFileSync(path)] as const])),
    ...(mappingDir === null ? [] : [['SWORN_MAPPING_DIR', allOf(mappingDir)] as const]),
  ];
}

function yamlIn(directory: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
}

function allOf(directory: string): Uint8Array {
  return Buffer.concat(yamlIn(directory).flatMap((name) => [utf8(`\0${name}\0`), readFileSync(join(directory, name))]));
}
