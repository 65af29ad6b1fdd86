import type { ExportAsked, ExportDisclosure, ExportSample, ExportScope } from './deployment.js';
import { CommandFailed, EXIT } from './exitCode.js';

/** Names of the sets of logs that are exported. */
export const LOG_SCOPES = ['audit', 'system', 'compliance'] as const;

/** The options of `sworn export` that say what of. */
export interface ExportOptions {
  readonly run?: string;
  readonly conversation?: string;
  readonly incident?: string;
  readonly subject?: string;
  readonly scope?: (typeof LOG_SCOPES)[number];
  readonly from?: string;
  readonly to?: string;
  readonly sample?: string;
  readonly nonce?: string;
  readonly asOf?: string;
  readonly disclose?: ExportDisclosure;
  readonly format: 'zip' | 'otlp';
}

/** What they ask for. @throws CommandFailed for what makes no sense together */
export function exportAsked(options: ExportOptions): ExportAsked {
  const { run, conversation, incident, subject, scope, asOf, format, disclose } = options;
  const ofRuns = run ?? conversation ?? incident ?? subject;
  const chosen = [run, conversation, incident, subject, scope, asOf].filter((one) => one !== undefined).length;
  const how =
    'one of --run, --conversation, --incident, --subject, --scope <logs> --from <time> --to <time>, --as-of <export id> says what is exported';
  if (chosen === 0) throw wrongUsage(how);
  if (chosen > 1) throw wrongUsage(`${how}: one bundle is about one of them`);
  if (scope === undefined && (options.from !== undefined || options.to !== undefined))
    throw wrongUsage('--from and --to go with --scope: a run, and an earlier export, have their own');
  if (ofRuns !== undefined && (options.sample !== undefined || options.nonce !== undefined))
    throw wrongUsage('--sample goes with --scope, or --as-of an export of one: a run is shown whole');
  if (format === 'otlp' && scope !== undefined)
    throw wrongUsage('--format otlp goes with --run: logs have no spans of a run');
  if (format === 'otlp' && disclose !== undefined && disclose !== 'all')
    throw wrongUsage('--format otlp discloses all: leave --disclose out');
  const disclosure = format === 'otlp' ? 'all' : disclose;
  if (asOf !== undefined) return { asOf, disclosure: disclosure ?? null, sample: sampleOf(options) };
  return { scope: scopeOf(options), disclosure: disclosure ?? 'none' };
}

function scopeOf(options: ExportOptions): ExportScope {
  const { run, conversation, incident, subject, scope, from, to } = options;
  if (run !== undefined) return { kind: 'RUN', runId: run };
  if (conversation !== undefined) return { kind: 'RUNS', by: 'CONVERSATION', value: conversation };
  if (incident !== undefined) return { kind: 'RUNS', by: 'INCIDENT', value: incident };
  if (subject !== undefined) return { kind: 'RUNS', by: 'SUBJECT', value: subject };
  if (scope === undefined || from === undefined || to === undefined)
    throw wrongUsage('--scope needs a period: --from <time> --to <time>, by when records were recorded');
  const period = { from: timeOf('--from', from), to: timeOf('--to', to) };
  if (period.from >= period.to) throw wrongUsage(`--from ${from} is not before --to ${to}`);
  return { kind: 'LOGS', logs: scope, ...period, sample: sampleOf(options) };
}

function sampleOf({ sample, nonce }: ExportOptions): ExportSample | null {
  if (sample === undefined) {
    if (nonce !== undefined) throw wrongUsage('--nonce goes with --sample <n>');
    return null;
  }
  const size = /^(0|[1-9][0-9]{0,5})$/.test(sample) ? Number(sample) : null;
  if (size === null) throw wrongUsage(`--sample ${sample} is no number from 0 to 999999`);
  if (size === 0 && nonce !== undefined) throw wrongUsage('--sample 0 draws nothing: leave --nonce out');
  if (size === 0) return { size, nonce: null };
  if (nonce === undefined)
    throw wrongUsage(
      '--sample needs --nonce, which whoever checks chooses once he has the roots: first hand him the bundle of --sample 0',
    );
  if (!/^[A-Za-z0-9._-]{16,128}$/.test(nonce)) throw wrongUsage('--nonce is 16 to 128 letters, digits, . _ or -');
  return { size, nonce };
}

/** RFC 3339, or a day, which begins at midnight UTC; as leaves write it. */
function timeOf(option: string, text: string): string {
  const [, day, time = '00:00:00', fraction = ''] =
    /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?Z)?$/.exec(text) ?? [];
  const written = `${day}T${time}.${fraction.padEnd(6, '0')}Z`;
  const read = new Date(`${day}T${time}Z`);
  if (day === undefined || Number.isNaN(read.getTime()) || read.toISOString().slice(0, 19) !== written.slice(0, 19))
    throw wrongUsage(
      `${option} ${text} is no time: 2026-01-31, or 2026-01-31T10:30:00Z with up to six digits after the seconds`,
    );
  return written;
}

function wrongUsage(detail: string): CommandFailed {
  return new CommandFailed(EXIT.unable, detail);
}
