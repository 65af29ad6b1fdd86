import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn log key`: what an auditor pins. */
export function logKey(context: CommandContext): Command {
  return new Command('key')
    .description("print the public key of a tenant's logs: a vkey line per log (C2SP signed-note), or PEM")
    .option('--tenant <id or name>', 'whose logs; without it the only tenant there is')
    .option('--pem', 'the public key as PEM, for openssl', false)
    .option('--json', 'print an array of {"origin","vkey","pem"}', false)
    .addHelpText(
      'after',
      '\nExamples:\n  sworn log key --tenant acme > trusted-keys.txt\n  sworn log key --pem > log.pem',
    )
    .action((options: { tenant?: string; pem: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const keys = await deployment.logKeys(tenantId);
        if (options.json) context.terminal.json(keys);
        else if (options.pem)
          for (const pem of new Set(keys.map((key) => key.pem))) context.terminal.bytes(Buffer.from(pem));
        else for (const { vkey } of keys) context.terminal.line(vkey);
      }),
    );
}
