import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn tenant create <name>`: keys, five empty logs and a TENANT_CREATED leaf. */
export function tenantCreate(context: CommandContext): Command {
  return new Command('create')
    .description('create a tenant: its keys, its five logs and the control leaf that says so')
    .argument(
      '<name>',
      'a label for people, at most 128 characters, that no other tenant has; it enters no leaf and no origin',
    )
    .option('--synthetic', 'its evidence is made up, says so, and lives 7 days', false)
    .option('--json', 'print {"tenant","name","synthetic"}', false)
    .addHelpText(
      'after',
      '\nExamples:\n  sworn tenant create "Acme Bank"\n  sworn tenant create staging --synthetic --json',
    )
    .action((given: string, options: { synthetic: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const name = given.trim();
        // Commands take a tenant by its name: a second one of that name could be chosen by its id alone.
        const taken = (await deployment.listTenants()).find((one) => one.name === name || one.tenantId === name);
        if (taken !== undefined)
          throw new CommandFailed(EXIT.no, `there is a tenant called ${name} already: ${taken.tenantId}`);
        const tenant = await deployment.createTenant({ name, synthetic: options.synthetic });
        if (options.json) context.terminal.json({ tenant, name, synthetic: options.synthetic });
        else context.terminal.line(tenant);
      }),
    );
}
