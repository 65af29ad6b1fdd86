import { userInfo } from 'node:os';
import {
  acceptClock,
  adoptSigner,
  type Config,
  databaseUrl,
  exportByHand,
  logKeys,
  openDeployment,
  readLeaf,
  recoverLogs,
  remapTenant,
  rotateSigner,
} from '@sworn/server';
import type { Deployment } from './deployment.js';

/**
 * Opens the deployment on the same database and keys as a running server; without one, its database is started for the time being.
 * @throws Error when there is none: only `serve` and `migrate` make one.
 */
export async function connect(config: Config): Promise<Deployment> {
  const open = await openDeployment(config, { database: 'beside', mustExist: true });
  return {
    createTenant: (request) => open.tenants.create(request),
    listTenants: () => open.tenants.list(),
    readQuotas: (tenantId) => open.quotas.read(tenantId),
    changeQuotas: (tenantId, change) => open.quotas.change(tenantId, change),
    issueKey: (request) => open.keys.issue(request),
    listKeys: (tenantId) => open.keys.list(tenantId),
    revokeKey: (tenantId, keyId) => open.keys.revoke(tenantId, keyId),
    readLeaf: (tenantId, recordId) => readLeaf(open, tenantId, recordId, `local:${userInfo().username}`),
    logKeys: (tenantId) => logKeys(open, tenantId),
    exportRun: (asked, tell) => exportByHand(open, config, { ...asked, actor: `local:${userInfo().username}` }, tell),
    databaseUrl: ({ superuser }) => databaseUrl(open, superuser),
    adoptSigner: () => adoptSigner(open),
    rotateSigner: () => rotateSigner(open),
    recoverLogs: (request) => recoverLogs(open, request),
    acceptClock: () => acceptClock(open),
    remap: (request) => remapTenant(open, config, request),
    close: () => open.close(),
  };
}
