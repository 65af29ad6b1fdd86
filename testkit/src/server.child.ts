/**
 * A server in a process of its own, for tests to kill: settings from the environment, where it is in one line of JSON, its log on standard
 * error. Issues a tenant and its keys unless `SWORN_TEST_TENANT` names one. Ends like `sworn serve`: SIGTERM stops it, and it ends by itself
 * when it cannot go on.
 */
import { type Config, openDeployment, readConfig, startApp } from '@sworn/server';
import type { IssuedAccess, ServerPlace } from './serverProcess.js';

const config = readConfig(process.env);
const stopAsked = new Promise<void>((resolve) => process.once('SIGTERM', resolve));
const app = await startApp(config);
let code = 0;
try {
  process.stdout.write(`${JSON.stringify(await describe(config))}\n`);
  await Promise.race([stopAsked, app.failed]);
} catch (error) {
  process.stderr.write(`ended: ${String(error)}\n`);
  code = 1;
} finally {
  await app.stop();
}
process.exit(code);

async function describe(of: Config): Promise<ServerPlace> {
  const deployment = await openDeployment(of, { database: 'beside' });
  try {
    const tenantId = process.env['SWORN_TEST_TENANT'];
    let issued: IssuedAccess | null = null;
    if (tenantId === undefined) {
      const tenant = await deployment.tenants.create({ name: 'under load' });
      const ingest = await deployment.keys.issue({ tenantId: tenant, role: 'ingest' });
      const reader = await deployment.keys.issue({ tenantId: tenant, role: 'reader' });
      issued = { tenantId: tenant, ingestKey: ingest.key, readerKey: reader.key };
    }
    const { embedded } = deployment;
    return {
      ...app.addresses,
      deploymentId: deployment.id,
      database: embedded === null ? null : { ...embedded.address, ...embedded.superuser },
      issued,
    };
  } finally {
    await deployment.close();
  }
}
