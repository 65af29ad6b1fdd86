import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn leaf <id>`: the bytes that are hashed, and nothing else. */
export function leaf(context: CommandContext): Command {
  return new Command('leaf')
    .description("write a record's exact leaf bytes to standard output; an audited read")
    .argument('<id>', "the record's id, as answers show it")
    .option('--tenant <id or name>', 'whose record; without it the only tenant there is')
    .addHelpText(
      'after',
      "\nExample, printing the record's checksum:\n  sworn leaf <id> | { printf '\\0'; cat; } | openssl dgst -sha256",
    )
    .action((id: string, options: { tenant?: string }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId, name } = await chooseTenant(deployment, options.tenant);
        const bytes = await deployment.readLeaf(tenantId, id);
        if (bytes === null) throw new CommandFailed(EXIT.no, `${name} has no record ${id}`);
        context.terminal.bytes(bytes);
      }),
    );
}
