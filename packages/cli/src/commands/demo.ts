import { Command } from 'commander';
import type { CommandContext } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';

/** `sworn demo`: what `serve --demo` does, beside a server that is already running. */
export function demo(context: CommandContext): Command {
  return new Command('demo')
    .description('fill a synthetic tenant of the running server with recorded runs once, and renew its keys')
    .option(
      '--json',
      'print {"http","otlp_http","otlp_grpc","tenant","run_ids","env_file"}; the rest goes to standard error',
      false,
    )
    .addHelpText(
      'after',
      '\nWrites demo.json and demo.env (0600) into the data directory. Its keys live 24 hours.\n\nExamples:\n  sworn demo\n  sworn demo --json | jq -r .tenant',
    )
    .action(async (options: { json: boolean }) => {
      const { terminal } = context;
      const config = await context.readConfig();
      const scheme = config.tls === null ? 'http' : 'https';
      const addresses = {
        http: `${scheme}://${config.host}:${config.httpPort}`,
        otlpHttp: `${scheme}://${config.host}:${config.otlpHttpPort}`,
        otlpGrpc: `${scheme}://${config.host}:${config.otlpGrpcPort}`,
      };
      await assertAnswers(addresses.http);
      const say = options.json ? terminal.note : terminal.line;
      const { runDemo } = await import('../demo/run.js');
      const { demo, envFile } = await runDemo(context, config, addresses, new AbortController().signal, say);
      if (!options.json) return;
      const { http, otlp_http, otlp_grpc, tenant, run_ids } = demo;
      terminal.json({ http, otlp_http, otlp_grpc, tenant, run_ids, env_file: envFile });
    });
}

/** Before any key is renewed. @throws CommandFailed when no server is there. */
async function assertAnswers(http: string): Promise<void> {
  try {
    await fetch(`${http}/healthz`);
  } catch (error) {
    const { cause } = error as { readonly cause?: { readonly code?: unknown } };
    throw new CommandFailed(
      EXIT.unable,
      `no server answers at ${http} (${String(cause?.code ?? error)}): start it with sworn serve and the same settings`,
      { cause: error },
    );
  }
}
