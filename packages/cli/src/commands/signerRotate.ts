import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn signer rotate`: a new key for checkpoints, which the old one vouches for. */
export function signerRotate(context: CommandContext): Command {
  return new Command('rotate')
    .description('make a new signing key; the old one signs for it, and is then destroyed')
    .option('--json', 'print {"public_key","retired","tenants"}', false)
    .addHelpText(
      'after',
      `
Works beside a running server, on the host that has the key directory and the signer's state. Each tenant's control log says from
which size on the new key counts. Interrupted, it is gone on with by running it again. Afterwards back up the key directory and
then the database: a database from before has no record of the new key. Auditors pin the new key: sworn log key.

Example:
  sworn signer rotate && sworn log key --tenant acme`,
    )
    .action((options: { json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { publicKey, retired, tenants } = await deployment.rotateSigner();
        if (options.json) context.terminal.json({ public_key: publicKey, retired, tenants });
        else context.terminal.line(`signing key ${publicKey} in place of ${retired}, for ${tenants} tenants`);
      }),
    );
}
