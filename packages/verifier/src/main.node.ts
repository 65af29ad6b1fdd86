import { setFlagsFromString } from 'node:v8';
import { verifyCommand } from './command.node.js';

// V8 would let its heap grow to several times what is held before it collects: an auditor's computer may be a small one.
setFlagsFromString('--optimize-for-size');

// Whoever reads may leave (`| head`): what is written after that goes nowhere.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

process.exitCode = await verifyCommand(process.argv.slice(2), {
  line: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`verify: ${text}\n`),
});
