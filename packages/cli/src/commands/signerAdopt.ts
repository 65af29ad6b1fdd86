import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn signer adopt`: a person takes the blame for what the signer can no longer remember. */
export function signerAdopt(context: CommandContext): Command {
  return new Command('adopt')
    .description("after the signer's memory was lost: take the newest checkpoints of the database as its memory")
    .option('--json', 'print an array of {"origin","size"}', false)
    .addHelpText(
      'after',
      '\nFrom here on the signer trusts what the database says of the past, so compare a checkpoint kept elsewhere first.\nThe act is recorded in the control log.\n\nExample:\n  sworn signer adopt',
    )
    .action((options: { json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const adopted = await deployment.adoptSigner();
        if (options.json) context.terminal.json(adopted);
        else if (adopted.length === 0)
          context.terminal.line('the signer remembers every stored checkpoint: nothing to adopt');
        else for (const { origin, size } of adopted) context.terminal.line(`${origin} adopted at size ${size}`);
      }),
    );
}
