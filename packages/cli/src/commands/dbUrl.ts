import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn db url`: for the owner of the data directory, who could read the files anyway. */
export function dbUrl(context: CommandContext): Command {
  return new Command('url')
    .description(
      "print a URL of the embedded database, for psql: reads every tenant, so asking is recorded in the platform's control log",
    )
    .option('--superuser', 'as the superuser, who can change anything', false)
    .option('--json', 'print {"url"}', false)
    .addHelpText('after', '\nExamples:\n  psql "$(sworn db url)"\n  psql "$(sworn db url --superuser)"')
    .action((options: { superuser: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const url = await deployment.databaseUrl({ superuser: options.superuser });
        if (url === null)
          throw new CommandFailed(
            EXIT.no,
            'the database is not the embedded one: its URL is your own SWORN_DATABASE_URL',
          );
        if (options.json) context.terminal.json({ url });
        else context.terminal.line(url);
      }),
    );
}
