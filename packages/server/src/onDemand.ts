import type { RunningApp } from './app.js';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';

/**
 * What needs the contract's schemas and the web framework, loaded when it is asked for: they are most of all modules there are, and a command
 * beside the server would load them for nothing.
 */

/** The server in this process (`app.ts`); resolves when requests are served. */
export async function startApp(config: Config): Promise<RunningApp> {
  const app = await import('./app.js');
  return app.startApp(config);
}

/** The exact bytes of a leaf (`leafByHand.ts`), its access record written first; null when there is none. */
export async function readLeaf(
  deployment: Deployment,
  tenantId: string,
  recordId: string,
  actor: string,
): Promise<Uint8Array | null> {
  const byHand = await import('./leafByHand.js');
  return byHand.readLeaf(deployment, tenantId, recordId, actor);
}
