import { Command } from 'commander';
import { runDemo } from '../demo/run.js';
import type { CommandContext } from '../deployment.js';

/** `sworn demo`: what `serve --demo` does, beside a server that is already running. */
export function demo(context: CommandContext): Command {
  return new Command('demo')
    .description('fill a synthetic tenant of the running server with recorded runs once, and renew its keys')
    .addHelpText(
      'after',
      '\nWrites demo.json and demo.env (0600) into the data directory. Its keys live 24 hours.\n\nExample:\n  sworn demo',
    )
    .action(async () => {
      const config = context.readConfig();
      const scheme = config.tls === null ? 'http' : 'https';
      const addresses = {
        http: `${scheme}://${config.host}:${config.httpPort}`,
        otlpHttp: `${scheme}://${config.host}:${config.otlpHttpPort}`,
      };
      await runDemo(context, config, addresses, new AbortController().signal);
    });
}
