import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn clock accept`: after a jump of the clock nothing is recorded until a person says that the clock is right. */
export function clockAccept(context: CommandContext): Command {
  return new Command('accept')
    .description('after the clock jumped by more than 60 s: say that it is right now; recorded in the control log')
    .option('--json', 'print {"accepted"}', false)
    .addHelpText('after', '\nThe server goes on within a second.\n\nExample:\n  date && sworn clock accept')
    .action((options: { json: boolean }) =>
      withDeployment(context, async (deployment) => {
        await deployment.acceptClock();
        if (options.json) context.terminal.json({ accepted: true });
        else context.terminal.line('accepted');
      }),
    );
}
