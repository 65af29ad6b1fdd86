import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { chooseTenant } from '../tenantChoice.js';
import { withDeployment } from '../withDeployment.js';

/** Runs between two lines of progress. */
const TELL_EVERY = 100;

/** `sworn remap`: new revisions of runs that were made with another version of the mapping. */
export function remap(context: CommandContext): Command {
  return new Command('remap')
    .description(
      'map sealed runs again that were made with another version of the mapping; appends revisions, changes nothing',
    )
    .option('--tenant <id or name>', 'whose runs; without it the only tenant there is')
    .option('--run <run id>', 'this run alone')
    .option('--dry-run', 'say what would change, and write nothing', false)
    .option('--json', 'print {"remapped","changed","left"}', false)
    .addHelpText(
      'after',
      `
Raise the version of the mapping first (docs/mapping.md). It may be stopped and started again: a run that was done is not done again.
A run whose bodies were erased is left as it is, and named.

Examples:
  sworn remap --tenant acme --dry-run
  SWORN_MAPPING_DIR=/etc/sworn/mapping sworn remap --tenant acme
  sworn remap --tenant acme --run shop:turn-17`,
    )
    .action((options: { tenant?: string; run?: string; dryRun: boolean; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const changed = new Map<string, number>();
        const left: { run_id: string; why: string }[] = [];
        let done = 0;
        for await (const one of deployment.remap({ tenantId, runId: options.run ?? null, dryRun: options.dryRun })) {
          if (one.kind === 'left') {
            left.push({ run_id: one.runId, why: one.why });
            context.terminal.note(`left ${one.runId}: ${one.why}`);
            continue;
          }
          done++;
          for (const name of one.changed) changed.set(name, (changed.get(name) ?? 0) + 1);
          if (done % TELL_EVERY === 0) context.terminal.note(`${done} runs`);
        }
        const counts = [...changed].sort(([a], [b]) => a.localeCompare(b));
        if (options.json) {
          context.terminal.json({ remapped: done, dry_run: options.dryRun, changed: Object.fromEntries(counts), left });
        } else {
          context.terminal.line(`${done} runs ${options.dryRun ? 'would be' : 'were'} mapped again`);
          for (const [name, runs] of counts) context.terminal.line(`  ${name} changed in ${runs}`);
          if (left.length > 0) context.terminal.line(`${left.length} were left as they are`);
        }
        if (left.length > 0) throw new CommandFailed(EXIT.no, `${left.length} runs could not be mapped again`);
      }),
    );
}
