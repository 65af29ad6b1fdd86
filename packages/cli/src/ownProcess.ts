import { EXIT } from './exitCode.js';

/**
 * What holds for this process before anything else of it runs; imported first.
 *
 * On SIGUSR1 Node opens an inspector on loopback: every local user could run code in here, and read keys. A listener takes the place of that.
 */
process.on('SIGUSR1', () => undefined);

/** Whatever is made without a mode of its own is ours alone. What the database's user must read is given its mode by name. */
process.umask(0o077);

/**
 * What nobody caught ends the process. Node would print the message, and messages quote what was being read: a prompt, a key. Where it happened
 * is enough to find a bug.
 */
process.on('uncaughtException', (error: unknown) => {
  const { name, code, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const frames = stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  const what = [name ?? typeof error, ...(typeof code === 'string' ? [code] : [])].join(' ');
  process.stderr.write(`${[`sworn: a bug: ${what}`, ...frames].join('\n')}\n`);
  process.exit(EXIT.bug);
});
