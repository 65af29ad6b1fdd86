import { MAX_LINK_SECONDS } from './access/exportLink.js';
import { isLoopback } from './networks.js';

/** Their variables, in the order of the configuration page. */
export const EXPORT_SETTINGS = [
  {
    name: 'SWORN_EXPORT_RETENTION_DAYS',
    default: '365',
    meaning:
      'Days that a bundle made for a request is kept, 1 to 3650, then it is removed; its records in access stay. See docs/operate/exports.md.',
  },
  {
    name: 'SWORN_EXPORT_S3_BUCKET',
    default: '(none: files)',
    meaning:
      'Bucket in which bundles are kept instead, with the credentials of the AWS SDK’s default chain. It needs conditional writes. See docs/operate/exports.md.',
  },
  {
    name: 'SWORN_EXPORT_S3_ENDPOINT',
    default: '(AWS)',
    meaning: 'https://<host>[:<port>] of another S3; http:// of loopback too.',
  },
  { name: 'SWORN_EXPORT_S3_REGION', default: '(as the AWS SDK finds it)', meaning: 'Region of the bucket.' },
  {
    name: 'SWORN_EXPORT_S3_PREFIX',
    default: 'sworn',
    meaning: 'Keys of objects begin with it, followed by the deployment id, so that deployments may share a bucket.',
  },
  {
    name: 'SWORN_EXPORT_S3_PATH_STYLE',
    default: 'false',
    meaning: 'true: the bucket stands in the path and not in the host name, as many a store of one’s own wants it.',
  },
  {
    name: 'SWORN_EXPORT_LINK_SECONDS',
    default: '0',
    meaning:
      'Seconds, 900 at most, that a link to a bundle holds which needs no credential. 0: none is made, and none is taken. See docs/operate/exports.md.',
  },
] as const;

/** Where bundles are kept, and how long. */
export interface ExportSettings {
  /** How long a bundle that was made for a request is kept. */
  readonly exportRetentionDays: number;
  /** How long a bearer link to a bundle holds, seconds; 0: there are none. */
  readonly exportLinkSeconds: number;
  /** Null: files in the data directory. */
  readonly exportS3: S3Address | null;
}

/** A bucket. */
export interface S3Address {
  readonly bucket: string;
  /** Null: that of AWS. */
  readonly endpoint: string | null;
  /** Null: as the SDK finds it. */
  readonly region: string | null;
  /** Without a slash at its end. */
  readonly prefix: string;
  readonly isPathStyle: boolean;
}

type ExportSettingName = (typeof EXPORT_SETTINGS)[number]['name'];

/** Reads the settings of exports, and every mistake in them. */
export function readExports({
  text,
  integer,
}: {
  readonly text: (name: ExportSettingName) => string | null;
  readonly integer: (name: ExportSettingName, fallback: number, min: number, max: number) => number;
}): { readonly settings: ExportSettings; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const exportRetentionDays = integer('SWORN_EXPORT_RETENTION_DAYS', 365, 1, 3_650);
  const exportLinkSeconds = integer('SWORN_EXPORT_LINK_SECONDS', 0, 0, MAX_LINK_SECONDS);
  const bucket = text('SWORN_EXPORT_S3_BUCKET');
  if (bucket === null) {
    const idle = EXPORT_SETTINGS.filter(({ name }) => name.startsWith('SWORN_EXPORT_S3_') && text(name) !== null);
    for (const { name } of idle) mistakes.push(`${name} needs SWORN_EXPORT_S3_BUCKET: in which bucket?`);
    return { settings: { exportRetentionDays, exportLinkSeconds, exportS3: null }, mistakes };
  }
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    mistakes.push('SWORN_EXPORT_S3_BUCKET must be a bucket name: 3 to 63 of a-z, 0-9, dot and hyphen');
  const endpoint = text('SWORN_EXPORT_S3_ENDPOINT');
  if (endpoint !== null && !isOrigin(endpoint))
    mistakes.push('SWORN_EXPORT_S3_ENDPOINT must be https://<host> or https://<host>:<port>; http:// of loopback only');
  const prefix = text('SWORN_EXPORT_S3_PREFIX') ?? 'sworn';
  if (!/^[A-Za-z0-9_.-]{1,64}(\/[A-Za-z0-9_.-]{1,64}){0,7}$/.test(prefix))
    mistakes.push(
      'SWORN_EXPORT_S3_PREFIX must be letters, digits, dot, hyphen and _ between slashes, without one at an end',
    );
  const pathStyle = text('SWORN_EXPORT_S3_PATH_STYLE') ?? 'false';
  if (pathStyle !== 'true' && pathStyle !== 'false') mistakes.push('SWORN_EXPORT_S3_PATH_STYLE must be true or false');
  const region = text('SWORN_EXPORT_S3_REGION');
  const exportS3 = { bucket, endpoint, region, prefix, isPathStyle: pathStyle === 'true' };
  return { settings: { exportRetentionDays, exportLinkSeconds, exportS3 }, mistakes };
}

/** What is sent there is encrypted, and the credentials are not sent: but who answers is believed to have it. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, origin } = new URL(text);
  const isPrivate = protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, ''));
  return (protocol === 'https:' || isPrivate) && text.toLowerCase().replace(/\/$/, '') === origin;
}
