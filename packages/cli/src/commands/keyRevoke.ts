import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn key revoke <key id>`: dead everywhere within 5 seconds. */
export function keyRevoke(context: CommandContext): Command {
  return new Command('revoke')
    .description('revoke a key; it is dead everywhere within 5 seconds')
    .argument('<key id>', 'as `sworn key list` shows it')
    .option('--tenant <id or name>', 'whose key; without it the only tenant there is')
    .option('--json', 'print {"key_id","revoked"}', false)
    .addHelpText('after', '\nExample:\n  sworn key revoke 6f1c1a0e-6d0f-4c41-9d2f-0b8b0a1b2c3d --tenant acme')
    .action((keyId: string, options: { tenant?: string; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId, name } = await chooseTenant(deployment, options.tenant);
        if (!(await deployment.revokeKey(tenantId, keyId)))
          throw new CommandFailed(EXIT.no, `${name} has no key ${keyId}`);
        if (options.json) context.terminal.json({ key_id: keyId, revoked: true });
        else context.terminal.line(`revoked ${keyId}`);
      }),
    );
}
