import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import type { Look } from '../watch/look.js';

const MAX_EVERY_SECONDS = 86_400;
/** For one answer, its body included. */
const ANSWER_MS = 20_000;

interface Options {
  readonly key: string;
  readonly state?: string;
  readonly credentialFile?: string;
  readonly every: number;
  readonly once: boolean;
  readonly hook?: string;
  readonly json: boolean;
}

/** `sworn watch`: a stranger's memory of a log. Needs the log's URL and key; no deployment, no database, no setting. */
export function watch(context: CommandContext): Command {
  return new Command('watch')
    .description('watch a log from outside: remember its checkpoints, and say when they contradict each other')
    .argument('<url>', 'base of the log, as in https://sworn.example/tlog/<tenant id>/<log>')
    .requiredOption('--key <vkey or file>', "the log's verifier key line, or a file of them (sworn log key)")
    .option('--state <dir>', 'where to remember (default: ~/.local/state/sworn/watch)')
    .option('--credential-file <file>', 'file with an API key of the role auditor; else SWORN_WATCH_TOKEN')
    .option('--every <seconds>', 'seconds between looks', readEvery, 60)
    .option('--once', 'look once', false)
    .option('--hook <program>', 'on a finding run this program, without a shell, and go on watching')
    .option('--json', 'print one JSON object a line', false)
    .addHelpText(
      'after',
      `
Compares the newest checkpoint with the one remembered: it must carry the pinned key's signature, and the log must
continue what was signed before, proven from the log's own tiles. A finding keeps both notes as files: together they
are the evidence. Of a CA of your own, NODE_EXTRA_CA_CERTS names the certificate.

The hook finds in its environment: WATCH_FINDING, WATCH_DETAIL, WATCH_URL, WATCH_ORIGIN, WATCH_REMEMBERED_SIZE,
WATCH_SEEN_SIZE, WATCH_REMEMBERED_FILE, WATCH_SEEN_FILE. It is run once for each kind of finding, until a look is good again.

Leaves with 0 when a look was good, 1 on a finding, 2 when it could not look (with --once; else it tries again, more and more seldom).

Examples:
  sworn watch https://sworn.example/tlog/<tenant id>/llm-runs --key trusted-keys.txt --credential-file reader.key
  sworn watch https://sworn.example/tlog/<tenant id>/control --key trusted-keys.txt --once --json`,
    )
    .action((url: string, options: Options) => run(context, url, options));
}

async function run({ env, terminal }: CommandContext, url: string, options: Options): Promise<void> {
  // Help, and a line that cannot be meant, need none of these.
  const { readBase, readToken } = await import('../serverAddress.js');
  const { logServer } = await import('../watch/logServer.js');
  const { openMemory } = await import('../watch/memory.js');
  const { readPin } = await import('../watch/pin.js');
  const { watch: watchLog } = await import('../watch/watch.js');
  const { SWORN_WATCH_TOKEN: tokenText, ...handedOn } = env;
  const token = readToken(options.credentialFile, tokenText);
  const base = readBase(url, token, 'the URL of a log looks like https://sworn.example/tlog/<tenant id>/<log>');
  const pin = readPin(options.key, base);
  const code = await watchLog({
    url: base.href,
    server: logServer({ base, token, timeoutMs: ANSWER_MS }),
    pin,
    memory: openMemory(resolve(options.state ?? join(env['HOME'] ?? homedir(), '.local/state/sworn/watch')), pin),
    everySeconds: options.every,
    once: options.once,
    hook: options.hook ?? null,
    env: handedOn,
    tell(look) {
      if (options.json) terminal.jsonLine({ at: new Date().toISOString(), origin: pin.origin, ...look });
      else for (const line of linesOf(pin.origin, look)) terminal.line(line);
    },
    warn: terminal.note,
  });
  if (code === EXIT.ok) return;
  throw new CommandFailed(
    code,
    code === EXIT.no ? `${pin.origin} contradicts what was signed` : `${pin.origin} could not be looked at`,
  );
}

/** A look as a person reads it: what happened first. */
function linesOf(origin: string, look: Look): string[] {
  if (look.kind === 'unable') return [`${origin}: not looked at: ${look.detail}`];
  if (look.kind === 'finding')
    return [
      `${origin}: ${look.finding}: ${look.detail}`,
      ...(look.kept.remembered === null ? [] : [`  remembered  ${look.kept.remembered}`]),
      `  seen        ${look.kept.seen}`,
    ];
  const { before, size } = look;
  if (before === null) return [`${origin}: ${size} leaves; remembered, there was nothing to compare with yet`];
  return [`${origin}: ${size} leaves, ${before === size ? 'as before' : `proven to continue the ${before} before`}`];
}

function readEvery(text: string): number {
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_EVERY_SECONDS)
    throw new InvalidArgumentError(`give whole seconds from 1 to ${MAX_EVERY_SECONDS}.`);
  return seconds;
}
