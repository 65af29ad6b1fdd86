import type { Permission } from './endpoints.js';

/** What reading records of a topic takes (CONTRACT.md 8). */
export const TOPIC_PERMISSIONS = {
  'llm-runs': 'logs.read',
  system: 'logs.read',
  audit: 'logs.audit',
  access: 'logs.audit',
  control: 'logs.audit',
} as const satisfies Record<string, Permission>;

/** A route that serves a log as outside tools read it (C2SP tlog-tiles; docs/spec/tlog.md). Its answers are no JSON, and OpenAPI cannot say its paths. */
export interface TlogRoute {
  /** Names it in access records and access rules; never changes. */
  readonly id: string;
  /** With `{name}` for one segment; a last `*` for all that are left. */
  readonly path: string;
  /** Without it the route is denied to everyone; that of the log's topic comes on top. */
  readonly permission: Permission;
}

/** The paths of C2SP tlog-tiles under the prefix of a log. */
export const TLOG_ROUTES = [
  { id: 'tlog.checkpoint', path: '/tlog/{tenant_id}/{log}/checkpoint', permission: 'logs.proof' },
  { id: 'tlog.entries', path: '/tlog/{tenant_id}/{log}/tile/entries/*', permission: 'logs.proof' },
  { id: 'tlog.tile', path: '/tlog/{tenant_id}/{log}/tile/{level}/*', permission: 'logs.proof' },
] as const satisfies readonly TlogRoute[];
