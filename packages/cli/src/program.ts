import { AssertionError } from 'node:assert';
import { Command, CommanderError } from 'commander';
import { clockAccept } from './commands/clockAccept.js';
import { dbUrl } from './commands/dbUrl.js';
import { demo } from './commands/demo.js';
import { exportCommand } from './commands/export.js';
import { fsck } from './commands/fsck.js';
import { keyCreate } from './commands/keyCreate.js';
import { keyList } from './commands/keyList.js';
import { keyRevoke } from './commands/keyRevoke.js';
import { leaf } from './commands/leaf.js';
import { logKey } from './commands/logKey.js';
import { logRecover } from './commands/logRecover.js';
import { migrate } from './commands/migrate.js';
import { remap } from './commands/remap.js';
import { serve } from './commands/serve.js';
import { signerAdopt } from './commands/signerAdopt.js';
import { signerRotate } from './commands/signerRotate.js';
import { tail } from './commands/tail.js';
import { tenantCreate } from './commands/tenantCreate.js';
import { tenantList } from './commands/tenantList.js';
import { tenantQuota } from './commands/tenantQuota.js';
import { verify } from './commands/verify.js';
import { version } from './commands/version.js';
import { watch } from './commands/watch.js';
import type { CommandContext } from './deployment.js';
import { CommandFailed, EXIT, type ExitCode } from './exitCode.js';

/** Runs one command line (without `node` and script). Resolves to the exit code; writes why it is not 0. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  try {
    await program(context).parseAsync([...args], { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.unable;
    const isSentence = error instanceof Error && !isBug(error);
    if (error instanceof CommandFailed && error.message === '') return error.exitCode;
    saySentences(context, isSentence ? sentenceOf(error) : String(error instanceof Error ? error.stack : error));
    if (error instanceof CommandFailed) return error.exitCode;
    return isSentence ? EXIT.unable : EXIT.bug;
  }
}

/** What the language or an assertion threw is a bug and needs its stack; what our code threw is a sentence for the operator. */
function isBug(error: Error): boolean {
  return (
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof SyntaxError ||
    error instanceof AssertionError
  );
}

/** A directory that may not be written to is nearly always one of three, and each has a setting. */
function sentenceOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'EACCES' && code !== 'EROFS') return error.message;
  return `${error.message}\nChoose directories that may be written to: SWORN_DATA_DIR, SWORN_KEY_DIR, SWORN_SIGNER_STATE.`;
}

function saySentences({ terminal }: CommandContext, text: string): void {
  const [first = '', ...rest] = text.split('\n');
  terminal.note(`sworn: ${first}`);
  for (const line of rest) terminal.note(line);
}

function program(context: CommandContext): Command {
  const sworn = new Command('sworn').description('Provable evidence of what AI systems did.').addHelpText(
    'after',
    `
Settings are SWORN_* environment variables; every command but serve works beside a running server with the same settings,
and watch and tail from anywhere without any.

Examples:
  sworn serve --demo
  sworn tenant create acme
  sworn key create --tenant acme --role ingest

Exit codes:
  ${EXIT.ok}   done
  ${EXIT.no}   the answer is no: not there, or refused
  ${EXIT.unable}   could not try: wrong usage or settings, directory in use, database not reachable
  ${EXIT.bug}  a bug in Sworn`,
  );
  sworn.addCommand(serve(context));
  sworn.addCommand(demo(context));
  sworn.addCommand(
    group(
      'tenant',
      'tenants of the deployment',
      [tenantCreate(context), tenantList(context), tenantQuota(context)],
      'sworn tenant create acme',
    ),
  );
  sworn.addCommand(
    group(
      'key',
      'API keys of a tenant',
      [keyCreate(context), keyList(context), keyRevoke(context)],
      'sworn key create --tenant acme --role reader',
    ),
  );
  sworn.addCommand(migrate(context));
  sworn.addCommand(group('db', 'the embedded database', [dbUrl(context)], 'psql "$(sworn db url)"'));
  sworn.addCommand(leaf(context));
  sworn.addCommand(exportCommand(context));
  sworn.addCommand(verify(context));
  sworn.addCommand(fsck(context));
  sworn.addCommand(remap(context));
  sworn.addCommand(
    group('log', "a tenant's logs", [logKey(context), logRecover(context)], 'sworn log key --tenant acme'),
  );
  sworn.addCommand(group('signer', 'the signer', [signerAdopt(context), signerRotate(context)], 'sworn signer adopt'));
  sworn.addCommand(group('clock', 'the clock', [clockAccept(context)], 'date && sworn clock accept'));
  sworn.addCommand(tail(context));
  sworn.addCommand(watch(context));
  sworn.addCommand(version(context));
  harden(sworn, context);
  return sworn;
}

function group(name: string, description: string, commands: readonly Command[], example: string): Command {
  const command = new Command(name).description(description).addHelpText('after', `\nExample:\n  ${example}`);
  for (const child of commands) command.addCommand(child);
  return command;
}

/** Every command throws instead of exiting, and what it echoes of the command line is disarmed like all output. */
function harden(command: Command, context: CommandContext): void {
  command.exitOverride().showHelpAfterError(`(${commandPath(command)} --help shows how)`);
  command.configureOutput({
    writeOut: (text) => {
      for (const line of text.trimEnd().split('\n')) context.terminal.line(line);
    },
    writeErr: (text) => {
      for (const line of text.trimEnd().split('\n')) context.terminal.note(line);
    },
  });
  for (const child of command.commands) harden(child, context);
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}
