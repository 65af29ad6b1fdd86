import { Command } from 'commander';
import type { CommandContext, LogKey } from '../deployment.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn log key`: what an auditor pins. */
export function logKey(context: CommandContext): Command {
  return new Command('key')
    .description(
      "print the public keys of a tenant's logs: a vkey line per log and key (C2SP signed-note), or the newest key as PEM",
    )
    .option('--tenant <id or name>', 'whose logs; without it the only tenant there is')
    .option('--pem', 'the key that signs now as PEM, for openssl', false)
    .option('--json', 'print an array of {"origin","vkey","pem","from_size","last_size"}', false)
    .addHelpText(
      'after',
      '\nA key that was rotated out is valid up to its last size only, which is said beside it on standard error.\n\nExamples:\n  sworn log key --tenant acme > trusted-keys.txt\n  sworn log key --pem > log.pem',
    )
    .action((options: { tenant?: string; pem: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const keys = await deployment.logKeys(tenantId);
        if (options.json)
          context.terminal.json(
            keys.map(({ origin, vkey, pem, fromSize, lastSize }) => ({
              origin,
              vkey,
              pem,
              from_size: fromSize,
              last_size: lastSize,
            })),
          );
        else if (options.pem) context.terminal.bytes(Buffer.from(keys.find((key) => key.lastSize === null)?.pem ?? ''));
        else for (const key of keys) sayKey(context, key);
      }),
    );
}

/** The line alone is what is pinned; sizes are told where they say something. */
function sayKey({ terminal }: CommandContext, { vkey, fromSize, lastSize }: LogKey): void {
  terminal.line(vkey);
  if (lastSize !== null) terminal.note(`  sizes ${fromSize} to ${lastSize}`);
  else if (fromSize > 0) terminal.note(`  sizes from ${fromSize}`);
}
