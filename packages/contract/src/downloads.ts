import type { Permission } from './endpoints.js';

/** A route that serves a bundle that was built, or a file of it, as bytes. Outside the facade: its answers are no JSON, and take range requests. */
export interface DownloadRoute {
  /** Names it in access records and access rules; never changes. */
  readonly id: string;
  /** With `{name}` for one segment; a last `*` for all that are left: `bundle.zip`, or the name of a file in it. */
  readonly path: string;
  readonly permission: Permission;
}

/** What the archive is called in the path of a download; no file in it is called so. */
export const ARCHIVE_NAME = 'bundle.zip';

/** Downloads; endpoint 6 says the paths. */
export const DOWNLOAD_ROUTES = [
  { id: 'exports.download', path: '/api/v1/exports/{export_id}/*', permission: 'logs.export' },
] as const satisfies readonly DownloadRoute[];

/** Path of a file of an export, or of all of it. */
export function downloadPath(exportId: string, name: string): string {
  return `/api/v1/exports/${exportId}/${name}`;
}
