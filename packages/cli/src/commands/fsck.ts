import type { CheckProgress, CheckReport, Finding } from '@sworn/server';
import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';

/** Milliseconds between two lines of progress. */
const TELL_EVERY_MS = 2_000;

/** `sworn fsck`: whether the record is intact, and if not, what and where. */
export function fsck(context: CommandContext): Command {
  return new Command('fsck')
    .description('check every record against its log, and the logs against what was signed of them; changes nothing')
    .option('--tenant <id or name>', 'this tenant alone')
    .option('--log <log>', 'this log alone, e.g. llm-runs')
    .option(
      '--quick',
      'only whether a record was changed or anything taken away: V1 to V5; bodies are not looked into',
      false,
    )
    .option('--record', 'write what is found to the control log, and clear what is found no more', false)
    .option('--json', 'print {"complete","seconds","records","bytes","logs","findings","more","advisories"}', false)
    .addHelpText(
      'after',
      `
Reads as the role of the checks, beside a running server or without one, and never stops at the first finding. docs/operate/findings.md says
what each finding means and what to do. An advisory (V11) says that a wall is down, which changes no record.

Exit codes: 0 sound, 1 findings, 2 could not look.

Examples:
  sworn fsck
  sworn fsck --tenant acme --log llm-runs
  sworn fsck --json > report.json
  sworn fsck --record                       so that answers and GET /api/v1/logs/audit/integrity say it too`,
    )
    .action(async (options: { tenant?: string; log?: string; quick: boolean; record: boolean; json: boolean }) => {
      if (options.quick && options.record)
        throw new CommandFailed(EXIT.unable, '--record needs the whole check: leave --quick out');
      const begun = performance.now();
      const report = await context.fsck(await context.readConfig(), {
        tenant: options.tenant ?? null,
        log: options.log ?? null,
        treeOnly: options.quick,
        record: options.record,
        onProgress: teller(context, begun),
      });
      const seconds = (performance.now() - begun) / 1000;
      if (options.json) context.terminal.json(asJson(report, seconds));
      else say(context, report, seconds);
      if (report.findings.length > 0)
        throw new CommandFailed(EXIT.no, `${report.findings.length + report.more} findings`);
    });
}

function teller(context: CommandContext, begun: number): (progress: CheckProgress) => void {
  let told = begun;
  return ({ place, done, total, bytes, findings }) => {
    const now = performance.now();
    if (now - told < TELL_EVERY_MS) return;
    told = now;
    const seconds = (now - begun) / 1000;
    const left = (seconds / done) * (total - done);
    context.terminal.note(
      `${done} of ${total} records, ${Math.round(done / seconds)} a second, ${(bytes / 2 ** 20 / seconds).toFixed(0)} MiB/s, about ${Math.ceil(left)} s left, ${findings} findings; at ${place.log} of ${place.tenantId}`,
    );
  };
}

function say({ terminal }: CommandContext, report: CheckReport, seconds: number): void {
  for (const finding of report.findings) terminal.line(sentence(finding));
  if (report.more > 0) terminal.line(`and ${report.more} more`);
  for (const advisory of report.advisories) terminal.line(`advisory ${sentence(advisory)}`);
  const conflicts = report.logs.reduce((sum, { anomalies }) => sum + (anomalies?.conflicts ?? 0), 0);
  const skewed = report.logs.reduce((sum, { anomalies }) => sum + (anomalies?.skewed ?? 0), 0);
  const gaps = report.logs.reduce((sum, { anomalies }) => sum + (anomalies?.gaps ?? 0), 0);
  if (conflicts + skewed + gaps > 0)
    terminal.line(
      `odd in what producers sent, and no finding: ${conflicts} conflicts, ${skewed} skewed steps, ${gaps} gaps`,
    );
  const unproven = report.logs.filter(({ size, verified }) => verified < size).length;
  terminal.line(
    `${report.leaves} records in ${report.logs.length} logs, ${seconds.toFixed(1)} s: ${report.findings.length === 0 ? 'sound' : `${report.findings.length + report.more} findings`}${unproven === 0 ? '' : `, ${unproven} logs not proven to their end`}`,
  );
}

function sentence({ check, code, tenantId, log, index, table, expected, found }: Finding): string {
  return `${check} ${code} ${tenantId} ${log}${index === null ? '' : ` ${index}`} ${table}: expected ${expected}, found ${found}`;
}

function asJson(report: CheckReport, seconds: number): object {
  const finding = ({ tenantId, index, ...rest }: Finding) => ({ tenant: tenantId, leaf_index: index, ...rest });
  return {
    complete: true,
    seconds: Number(seconds.toFixed(3)),
    records: report.leaves,
    bytes: report.bytes,
    logs: report.logs.map(({ tenantId, log, size, verified, anomalies }) => ({
      tenant: tenantId,
      log,
      size,
      verified_size: verified,
      anomalies,
    })),
    findings: report.findings.map(finding),
    more: report.more,
    advisories: report.advisories.map(finding),
  };
}
