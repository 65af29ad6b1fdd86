import type { CommandContext, Deployment } from './deployment.js';

/** Reads the settings, opens the deployment, does the work, closes it whatever happens. */
export async function withDeployment(
  context: CommandContext,
  work: (deployment: Deployment) => Promise<void>,
): Promise<void> {
  const deployment = await context.connect(await context.readConfig());
  try {
    await work(deployment);
  } finally {
    await deployment.close();
  }
}
