/** What a deployment is called in origins: `sworn-` and 16 hex digits, or an operator's own name. */
const DEPLOYMENT = /^[a-z0-9][a-z0-9.-]{0,62}$/;
const TENANT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Origin of a log, which is also the name of its checkpoints' key: `<deployment>/<tenant id>/<log>`. Holds no name of a customer. */
export function originOf(deploymentId: string, tenantId: string, log: string): string {
  if (!DEPLOYMENT.test(deploymentId) || !TENANT.test(tenantId)) throw new Error('not a deployment or tenant id');
  return `${deploymentId}/${tenantId}/${log}`;
}
