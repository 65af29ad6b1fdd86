import { Command } from 'commander';
import type { Config, RunningApp } from '@sworn/server';
import type { CommandContext } from '../deployment.js';
import { withPortHolder } from '../portHolder.js';

/** `sworn serve`: the server in the foreground, until a signal or until it cannot go on. */
export function serve(context: CommandContext): Command {
  return new Command('serve')
    .description('start the server, in the foreground')
    .option('--demo', 'fill a synthetic tenant with recorded runs once, and renew its keys', false)
    .addHelpText(
      'after',
      '\nStops on SIGINT or SIGTERM, after everything accepted is committed. Settings are environment variables:\ndocs/operate/configuration.md.\n\nExamples:\n  sworn serve\n  SWORN_DATA_DIR=/srv/sworn SWORN_HTTP_PORT=8300 sworn serve --demo',
    )
    .action(async (options: { demo: boolean }) => {
      const config = await context.readConfig();
      const stopAsked = firstSignal(context);
      const stopped = new AbortController();
      const app = await withPortHolder(config, () => context.startApp(config));
      try {
        sayWhereItIs(context, app);
        const demo = options.demo ? fill(context, config, app, stopped.signal) : Promise.resolve();
        await Promise.race([stopAsked, app.failed, demo.then(() => stopAsked)]);
      } finally {
        context.terminal.note('stopping: committing what was accepted');
        stopped.abort();
        await app.stop();
      }
    });
}

async function fill(context: CommandContext, config: Config, { addresses }: RunningApp, signal: AbortSignal) {
  const { runDemo } = await import('../demo/run.js');
  return runDemo(context, config, addresses, signal, context.terminal.line);
}

/** Resolves at the first signal that asks to stop; later ones change nothing, since a stop that loses records is no stop. */
function firstSignal(context: CommandContext): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) context.terminal.note('already stopping');
        asked = true;
        resolve();
      });
    }
  });
}

function sayWhereItIs(
  { terminal }: CommandContext,
  { addresses, deploymentId, keyFingerprint, producers }: RunningApp,
): void {
  terminal.line(`Sworn is running.`);
  terminal.line(`  read it at       ${addresses.http}/api/v1/logs/llm-runs`);
  terminal.line(`  send OTLP to     ${addresses.otlpHttp}/v1/traces`);
  terminal.line(`  or by gRPC to    ${addresses.otlpGrpc}`);
  terminal.line(`  origin           ${deploymentId}/<tenant>/<log>`);
  terminal.line(`  signing key      ${keyFingerprint}`);
  for (const { service, signals, silenceSeconds, tenantId } of producers)
    terminal.line(
      `  expects          ${service} (${signals.join(', ')}), silent for ${silenceSeconds} s at most, in ${tenantId ?? 'every tenant'}`,
    );
}
