import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { readConfig } from '@sworn/server';
import { describe, expect, test } from 'vitest';
import { CommandFailed } from '../src/exitCode.js';
import { withPortHolder } from '../src/portHolder.js';

const listening = async (port: number) => {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
};

describe('a port that is taken', () => {
  test('is answered with who has it and how to choose another', async () => {
    const holder = await listening(0);
    const { port } = holder.address() as AddressInfo;
    try {
      const config = readConfig({ SWORN_OTLP_HTTP_PORT: String(port) });
      const failure = await withPortHolder(config, () => listening(port)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(CommandFailed);
      const { message, exitCode } = failure as CommandFailed;
      expect(exitCode).toBe(2);
      expect(message).toContain(`port ${port} is taken by process ${process.pid}`);
      expect(message).toContain('SWORN_OTLP_HTTP_PORT=');
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
  });

  test('is not made of any other failure', async () => {
    const bug = new Error('another');
    await expect(withPortHolder(readConfig({}), () => Promise.reject(bug))).rejects.toBe(bug);
  });
});
