import { Command, Option } from 'commander';
import type { CommandContext, LogTopic, RecoveredLog } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

interface Options {
  readonly tenant?: string;
  readonly log?: LogTopic;
  readonly all: boolean;
  readonly reason: string;
  readonly approver: string;
  readonly json: boolean;
}

const TOPICS: readonly LogTopic[] = ['llm-runs', 'system', 'audit', 'access', 'control'];

/** `sworn log recover`: the recorded way on when the database is older or other than what was signed. */
export function logRecover(context: CommandContext): Command {
  return new Command('recover')
    .description('after a restore: close a log that is not what was signed of it, and go on in a new generation')
    .option('--tenant <id or name>', 'whose log; without it the only tenant there is, with --all every tenant')
    .addOption(new Option('--log <topic>', 'which log').choices(TOPICS).conflicts('all'))
    .option('--all', 'every log that is wrong', false)
    .requiredOption('--reason <text>', 'why, for whoever asks later; encrypted beside the record')
    .requiredOption('--approver <name>', 'who allowed it; the record holds a token of the name')
    .option('--json', 'print an array of {"tenant","log","to_log","size_found","size_signed","lost_from"}', false)
    .addHelpText(
      'after',
      `
What was recorded before stays, and its proofs stay valid. Records from lost_from on are lost, or are there and proven by nothing; the
control log says so for ever, with reason and approver. A log with nothing wrong is refused. First make sure that the backup is the right one.

Examples:
  sworn log recover --all --reason "disk lost, restored the backup of Monday" --approver "Ada Lovelace"
  sworn log recover --tenant acme --log audit --reason "table restored by hand" --approver "Ada Lovelace"`,
    )
    .action((options: Options, command: Command) => {
      const { log = null, all, reason, approver } = options;
      if (log === null && !all) command.error('error: give --log <topic>, or --all');
      return withDeployment(context, async (deployment) => {
        const isEverybody = all && options.tenant === undefined;
        const tenantId = isEverybody ? null : (await chooseTenant(deployment, options.tenant)).tenantId;
        const recovered = await deployment.recoverLogs({ tenantId, topic: log, reason, approver });
        if (recovered.length === 0)
          throw new CommandFailed(
            EXIT.no,
            `nothing is wrong with ${log === null ? 'any log' : `the log ${log}`}: nothing was recovered`,
          );
        if (options.json) context.terminal.json(recovered.map(shown));
        else for (const one of recovered) context.terminal.line(sentenceOf(one));
      });
    });
}

function shown({ tenantId, log, toLog, sizeFound, sizeSigned, lostFrom }: RecoveredLog) {
  return { tenant: tenantId, log, to_log: toLog, size_found: sizeFound, size_signed: sizeSigned, lost_from: lostFrom };
}

function sentenceOf({ tenantId, log, toLog, sizeFound, sizeSigned, lostFrom }: RecoveredLog): string {
  const goesOn = toLog === null ? 'the tenant is gone' : `goes on as ${toLog}`;
  return `${tenantId}/${log} ${goesOn}: ${sizeFound} leaves found, ${sizeSigned} signed, proven below ${lostFrom}`;
}
