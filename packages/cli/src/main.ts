import { migrateDeployment, readConfig, startApp } from '@sworn/server';
import { connect } from './connect.js';
import { runCommandLine } from './program.js';
import { terminalOn } from './terminal.js';

process.exitCode = await runCommandLine(process.argv.slice(2), {
  terminal: terminalOn(process.stdout, process.stderr),
  readConfig: () => readConfig(process.env),
  connect,
  startApp,
  migrate: migrateDeployment,
});
