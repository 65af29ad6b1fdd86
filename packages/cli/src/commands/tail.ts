import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import type { TailedLog, TailFormat } from '../tail/pageSource.js';

/** Times a tail that does not follow tries again: about a minute. */
const RETRIES = 5;
const MAX_EVERY_SECONDS = 3_600;

interface Options {
  readonly log: TailedLog;
  readonly format: TailFormat;
  readonly cursorFile: string;
  readonly credentialFile?: string;
  readonly follow: boolean;
  readonly every: number;
}

/** `sworn tail`: a log as lines, for log shippers. Needs a URL and an API key; no deployment, no database, no setting. */
export function tail(context: CommandContext): Command {
  return new Command('tail')
    .description('print the records of a log as lines, oldest first, and go on where the last time ended')
    .argument('<url>', 'where Sworn is read, as in https://sworn.example')
    .addOption(
      new Option('--log <log>', 'the log')
        .choices(['llm-runs', 'system', 'audit', 'access', 'control'])
        .makeOptionMandatory(),
    )
    .requiredOption('--cursor-file <file>', 'keeps where to go on; each tail has its own')
    .addOption(new Option('--format <format>', 'of the lines').choices(['ndjson', 'ocsf']).default('ndjson'))
    .option('--credential-file <file>', 'file with an API key that may read the log; else SWORN_TAIL_TOKEN')
    .option('--follow', 'go on when everything is printed', false)
    .option('--every <seconds>', 'with --follow: seconds between looks', readEvery, 5)
    .addHelpText(
      'after',
      `
One record a line and nothing else, as the list of the log shows it. A line that holds "compromised":true stands for a record
that is not as it was written. With --format ocsf (audit, access and control) every line is an event of the Open Cybersecurity
Schema Framework, and such a record a critical finding.

The cursor is kept after the lines of a page are out: whoever is killed prints at most that page again and leaves nothing
out, so a receiver tells copies by "id", of OCSF by "metadata.uid". It says where to go on and not how lines are written.

llm-runs prints a run when it is opened; system and llm-runs need a key of the role reader, the others one of the role
auditor. Every look is a read, and has a record in access: a tail of access prints its own looks.

A server that cannot be reached, or answers 429 or 5xx, is asked again, more and more seldom; without --follow ${RETRIES} times.

Leaves with 0 when everything is printed, 1 when the server refuses, 2 when it could not be reached or the cursor file
is another tail's. Nothing is kept of lines that nobody read.

Examples:
  sworn tail https://sworn.example --log audit --cursor-file audit.cursor --credential-file auditor.key
  sworn tail http://127.0.0.1:4300 --log access --format ocsf --cursor-file access.cursor --follow | shipper`,
    )
    .action((url: string, options: Options) => run(context, url, options));
}

async function run({ env, terminal }: CommandContext, url: string, options: Options): Promise<void> {
  // Help, and a line that cannot be meant, need none of these.
  const { readBase, readToken } = await import('../serverAddress.js');
  const { cursorFile } = await import('../tail/cursorFile.js');
  const { hasFormat, pageSource } = await import('../tail/pageSource.js');
  const { tail: follow } = await import('../tail/tail.js');
  const { log, format } = options;
  if (!hasFormat(log, format))
    throw new CommandFailed(EXIT.unable, `--format ${format} is of audit, access and control: ${log} has none`);
  const token = readToken(options.credentialFile, env['SWORN_TAIL_TOKEN']);
  if (token === null)
    throw new CommandFailed(EXIT.unable, 'a tail needs an API key: --credential-file, or SWORN_TAIL_TOKEN');
  const base = readBase(url, token, 'the URL of a server looks like https://sworn.example');
  await follow({
    source: pageSource({
      base,
      token,
      log,
      format,
      retries: options.follow ? null : RETRIES,
      warn: terminal.note,
    }),
    cursors: cursorFile(resolve(options.cursorFile), { url: base.href, log }),
    print: (items) => terminal.jsonLines(items),
    followSeconds: options.follow ? options.every : null,
  });
}

function readEvery(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_EVERY_SECONDS)
    throw new InvalidArgumentError(`give whole seconds from 1 to ${MAX_EVERY_SECONDS}.`);
  return seconds;
}
