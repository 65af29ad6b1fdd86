import './ownProcess.js';
import { runCommandLine } from './program.js';
import { terminalOn } from './terminal.js';

/** Of the server's modules a command loads what it needs when it needs it: help, and a line that cannot be meant, need none. */
const server = () => import('@sworn/server');

process.exitCode = await runCommandLine(process.argv.slice(2), {
  terminal: terminalOn(process.stdout, process.stderr),
  env: process.env,
  readConfig: async () => (await server()).readConfig(process.env),
  connect: async (config) => (await import('./connect.js')).connect(config),
  startApp: async (config) => (await server()).startApp(config),
  migrate: async (config) => (await server()).migrateDeployment(config),
  fsck: async (config, request) => (await server()).fsck(config, request),
});
