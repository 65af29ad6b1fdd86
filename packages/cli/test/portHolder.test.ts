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
  test.each(['SWORN_OTLP_HTTP_PORT', 'SWORN_OTLP_GRPC_PORT'])(
    'by %s is answered with who has it and how to choose another',
    async (setting) => {
      const holder = await listening(0);
      const { port } = holder.address() as AddressInfo;
      try {
        const config = readConfig({ [setting]: String(port) });
        const failure = await withPortHolder(config, () => listening(port)).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(CommandFailed);
        const { message, exitCode } = failure as CommandFailed;
        expect(exitCode).toBe(2);
        expect(message).toContain(`port ${port} is taken by process ${process.pid}`);
        const suggested = Number(new RegExp(`${setting}=(\\d+)`).exec(message)?.[1]);
        // What is suggested can be taken.
        await new Promise((resolve) => void listening(suggested).then((server) => server.close(resolve)));
      } finally {
        await new Promise((resolve) => holder.close(resolve));
      }
    },
  );

  test('is noticed before anything is made in a fresh data directory', async () => {
    const holder = await listening(0);
    const { port } = holder.address() as AddressInfo;
    const config = readConfig({ SWORN_HTTP_PORT: String(port), SWORN_DATA_DIR: '/tmp/sworn-no-such-directory' });
    let begun = false;
    await expect(withPortHolder(config, () => Promise.resolve((begun = true)))).rejects.toThrow(
      `port ${port} is taken`,
    );
    expect(begun).toBe(false);
    await new Promise((resolve) => holder.close(resolve));
  });

  test.each([
    ['SWORN_HTTP_PORT', 'SWORN_OTLP_HTTP_PORT'],
    ['SWORN_OTLP_HTTP_PORT', 'SWORN_OTLP_GRPC_PORT'],
    ['SWORN_HTTP_PORT', 'SWORN_OTLP_GRPC_PORT'],
  ])('cannot be of two of ours: %s and %s', async (one, other) => {
    const config = readConfig({ [one]: '4310', [other]: '4310' });
    await expect(withPortHolder(config, () => Promise.resolve())).rejects.toThrow(`${one} and ${other} are both 4310`);
  });

  test('is not made of any other failure', async () => {
    const bug = new Error('another');
    await expect(
      withPortHolder(readConfig({ SWORN_HTTP_PORT: '0', SWORN_OTLP_HTTP_PORT: '0', SWORN_OTLP_GRPC_PORT: '0' }), () =>
        Promise.reject(bug),
      ),
    ).rejects.toBe(bug);
  });
});
