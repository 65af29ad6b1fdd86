import { Command, InvalidArgumentError, Option } from 'commander';
import type { KeyBounds } from '@sworn/server';
import type { CommandContext, KeyRole } from '../deployment.js';
import { parseLifetime, parseMoment } from '../lifetime.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

interface Options {
  readonly tenant?: string;
  readonly role: KeyRole;
  readonly scope: readonly string[];
  readonly service: readonly string[];
  readonly label?: string;
  readonly expires?: number;
  readonly topic: readonly Topic[];
  readonly from?: string;
  readonly before?: string;
  readonly payloads?: Payloads;
  readonly json: boolean;
}

type Topic = NonNullable<KeyBounds['topics']>[number];
type Payloads = NonNullable<KeyBounds['payloads']>;

/** Every scope there is. */
const SCOPES: readonly string[] = ['ingest:assert'];

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
const collectScope = (value: string, before: readonly string[]): readonly string[] => {
  if (!SCOPES.includes(value)) throw new InvalidArgumentError(`Allowed choices are ${SCOPES.join(', ')}.`);
  return collect(value, before);
};

const TOPICS: readonly Topic[] = ['LLM_RUNS', 'SYSTEM_LOGS', 'AUDIT'];
const collectTopic = (value: string, before: readonly Topic[]): readonly Topic[] => {
  const topic = TOPICS.find((one) => one === value);
  if (topic === undefined) throw new InvalidArgumentError(`Allowed choices are ${TOPICS.join(', ')}.`);
  return before.includes(topic) ? before : [...before, topic];
};

/** `sworn key create`: the key is shown here once and stored nowhere. */
export function keyCreate(context: CommandContext): Command {
  return new Command('create')
    .description('create an API key; it is shown once and stored nowhere')
    .option('--tenant <id or name>', 'whose key; without it the only tenant there is')
    .addOption(
      new Option(
        '--role <role>',
        'what it may do: ingest writes only, reader reads runs and system, auditor also the audit trail and proofs',
      )
        .choices(['ingest', 'reader', 'auditor'])
        .makeOptionMandatory(),
    )
    .option(
      '--scope <scope>',
      'only with --role ingest; ingest:assert: its sworn.* attributes take effect',
      collectScope,
      [],
    )
    .option('--service <name>', 'only with --role ingest: bind the key to a service name, repeatable', collect, [])
    .addOption(
      new Option('--topic <topic>', 'of a key that reads: only records of this topic, repeatable; all unless given')
        .choices(TOPICS)
        .argParser(collectTopic)
        .default([], ''),
    )
    .option('--from <date>', 'of a key that reads: only what happened from then on', parseMoment)
    .option('--before <date>', 'of a key that reads: only what happened before', parseMoment)
    .addOption(
      new Option(
        '--payloads <class>',
        'of a key that reads: how much of contents it shows; what the rules let it unless given',
      ).choices(['none', 'hashes', 'full']),
    )
    .option('--label <text>', 'a note for people')
    .option('--expires <when>', '30d, 12h, 90m or a date; 90 days unless given', (text) => parseLifetime(text))
    .option('--json', 'print {"key","key_id","tenant","role","expires_at"}', false)
    .addHelpText(
      'after',
      '\nExamples:\n  sworn key create --role reader\n  sworn key create --tenant acme --role ingest --service checkout --expires 30d --json | jq -r .key' +
        '\n  sworn key create --role auditor --topic LLM_RUNS --topic AUDIT --from 2026-07-01 --before 2026-10-01 --payloads hashes --expires 14d',
    )
    .action((options: Options, command: Command) => {
      if (options.role !== 'ingest' && options.scope.length > 0)
        command.error(`error: --scope ${options.scope.join(' ')} is for --role ingest, not ${options.role}`);
      if (options.role !== 'ingest' && options.service.length > 0)
        command.error(`error: --service is for --role ingest, not ${options.role}`);
      const bounds = boundsOf(options);
      if (options.role === 'ingest' && bounds !== null)
        command.error('error: --topic, --from, --before and --payloads are for keys that read, not for --role ingest');
      if (bounds?.occurredFrom && bounds.occurredBefore && bounds.occurredFrom >= bounds.occurredBefore)
        command.error('error: --before must be later than --from');
      return withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const issued = await deployment.issueKey({
          tenantId,
          role: options.role,
          scopes: options.scope,
          services: options.service,
          label: options.label ?? null,
          ...(options.expires === undefined ? {} : { livesMs: options.expires }),
          ...(bounds !== null && { bounds }),
        });
        if (options.json) {
          context.terminal.json({
            key: issued.key,
            key_id: issued.keyId,
            tenant: tenantId,
            role: options.role,
            expires_at: issued.expiresAt,
          });
          return;
        }
        context.terminal.line(issued.key);
        context.terminal.note(
          `key ${issued.keyId}, role ${options.role}, until ${issued.expiresAt}; it is not shown again`,
        );
      });
    });
}

/** Null: none were given. */
function boundsOf({ topic, from, before, payloads }: Options): KeyBounds | null {
  if (topic.length === 0 && (from ?? before ?? payloads) === undefined) return null;
  return {
    topics: topic.length === 0 ? null : topic,
    occurredFrom: from ?? null,
    occurredBefore: before ?? null,
    payloads: payloads ?? null,
  };
}
