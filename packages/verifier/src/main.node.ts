import { verifyCommand } from './command.node.js';

// Whoever reads may leave (`| head`): what is written after that goes nowhere.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

process.exitCode = await verifyCommand(process.argv.slice(2), {
  line: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`verify: ${text}\n`),
});
