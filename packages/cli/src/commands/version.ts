import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { VERSION } from '../version.js';

/** `sworn version`. */
export function version(context: CommandContext): Command {
  return new Command('version')
    .description('print the version')
    .option('--json', 'print {"version","node"}', false)
    .addHelpText('after', '\nExamples:\n  sworn version\n  sworn version --json | jq -r .version')
    .action((options: { json: boolean }) => {
      if (options.json) context.terminal.json({ version: VERSION, node: process.versions.node });
      else context.terminal.line(VERSION);
    });
}
