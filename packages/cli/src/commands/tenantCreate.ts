import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn tenant create <name>`: keys, five empty logs and a TENANT_CREATED leaf. */
export function tenantCreate(context: CommandContext): Command {
  return new Command('create')
    .description('create a tenant: its keys, its five logs and the control leaf that says so')
    .argument('<name>', 'a label for people, at most 128 characters; it enters no leaf and no origin')
    .option('--synthetic', 'its evidence is made up, says so, and lives 7 days', false)
    .option('--json', 'print {"tenant","name","synthetic"}', false)
    .addHelpText(
      'after',
      '\nExamples:\n  sworn tenant create "Acme Bank"\n  sworn tenant create staging --synthetic --json',
    )
    .action((name: string, options: { synthetic: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const tenant = await deployment.createTenant({ name, synthetic: options.synthetic });
        if (options.json) context.terminal.json({ tenant, name, synthetic: options.synthetic });
        else context.terminal.line(tenant);
      }),
    );
}
