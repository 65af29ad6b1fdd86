import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { table } from '../terminal.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn tenant list`: every tenant of the deployment, the platform's own included. */
export function tenantList(context: CommandContext): Command {
  return new Command('list')
    .description('list tenants, oldest first')
    .option('--json', 'print an array of {"tenant","name","synthetic","platform","created_at"}', false)
    .addHelpText('after', '\nExample:\n  sworn tenant list')
    .action((options: { json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const tenants = await deployment.listTenants();
        if (options.json) {
          context.terminal.json(
            tenants.map((tenant) => ({
              tenant: tenant.tenantId,
              name: tenant.name,
              synthetic: tenant.synthetic,
              platform: tenant.platform,
              created_at: tenant.createdAt,
            })),
          );
          return;
        }
        const kind = (tenant: { platform: boolean; synthetic: boolean }): string =>
          tenant.platform ? 'platform' : tenant.synthetic ? 'synthetic' : 'tenant';
        const rows = tenants.map((tenant) => [tenant.tenantId, kind(tenant), tenant.createdAt, tenant.name]);
        for (const line of table(['TENANT', 'KIND', 'CREATED', 'NAME'], rows)) context.terminal.line(line);
      }),
    );
}
