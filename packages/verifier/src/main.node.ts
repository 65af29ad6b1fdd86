import { verifyCommand } from './command.node.js';

process.exitCode = await verifyCommand(process.argv.slice(2), {
  line: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`verify: ${text}\n`),
});
