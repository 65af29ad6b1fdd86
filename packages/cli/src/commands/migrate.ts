import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';

/** `sworn migrate`: what `serve` does at its start, alone. */
export function migrate(context: CommandContext): Command {
  return new Command('migrate')
    .description('bring the database to the schema of this version; serve does it at its start')
    .option('--json', 'print {"applied":[…]}', false)
    .addHelpText(
      'after',
      '\nExample:\n  SWORN_DATABASE_URL=postgres://owner@db/sworn?sslmode=verify-full sworn migrate',
    )
    .action(async (options: { json: boolean }) => {
      const applied = await context.migrate(await context.readConfig());
      if (options.json) context.terminal.json({ applied });
      else if (applied.length === 0) context.terminal.line('nothing to do');
      else for (const name of applied) context.terminal.line(`applied ${name}`);
    });
}
