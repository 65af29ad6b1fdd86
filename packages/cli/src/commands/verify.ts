import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed } from '../exitCode.js';
import { keepHeapSmall } from '../smallHeap.js';

/** `sworn verify`: what `verify.mjs` does, which is the same code. */
export function verify(context: CommandContext): Command {
  return new Command('verify')
    .description('check an evidence bundle with nothing but the file and a pinned key; needs no deployment')
    .argument('<bundle.zip>')
    .option('--key <file>', 'verifier keys that you got by another way than the bundle, a line each (sworn log key)')
    .option('--against <older.zip>', 'a bundle from before: records that both have must be the same')
    .option('--report <out.html>', 'write what was found as a page for people')
    .option('--json', 'print what was found as one JSON document', false)
    .addHelpText(
      'after',
      `
Exit codes: 0 everything agrees, under the key you pinned; 1 findings; 2 could not look; 3 UNPINNED: nothing contradicts anything,
but whoever made the file also chose the key.

Examples:
  sworn verify bundle.zip --key key.txt
  sworn verify bundle.zip --key key.txt --against bundle-of-march.zip`,
    )
    .action(async (bundle: string, options: { key?: string; against?: string; report?: string; json: boolean }) => {
      const { verifyCommand } = await import('@sworn/verifier/node');
      const { terminal } = context;
      keepHeapSmall();
      const args = [
        ...(options.key === undefined ? [] : ['--key', options.key]),
        ...(options.against === undefined ? [] : ['--against', options.against]),
        ...(options.report === undefined ? [] : ['--report', options.report]),
        ...(options.json ? ['--json'] : []),
        '--',
        bundle,
      ];
      const code = await verifyCommand(args, {
        line: (text) => terminal.line(text),
        note: (text) => terminal.note(text),
      });
      if (code !== 0) throw new CommandFailed(code, '');
    });
}
