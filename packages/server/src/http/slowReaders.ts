import type { Server, Socket } from 'node:net';

/** How long a reader may take for what waits for it, and how often that is looked after. Milliseconds. */
export interface Patience {
  readonly forOneWriteMs: number;
  readonly lookEveryMs: number;
}

/**
 * Four minutes: 8 MiB, the largest page, which is one write, at 280 kbit/s. Each open connection may hold one, and an idle timeout alone is
 * put off by one byte.
 */
const PATIENCE: Patience = { forOneWriteMs: 240_000, lookEveryMs: 10_000 };

/** Closes connections of a server whose answers wait for readers that take them too slowly. Ends with the server. */
export function closeSlowReaders(server: Server, { forOneWriteMs, lookEveryMs }: Patience = PATIENCE): void {
  const open = new Set<Socket>();
  /** Bytes whose writing had ended when it was seen first, and when that was, of those who are waited for. */
  const waitedFor = new Map<Socket, { readonly written: number; readonly since: number }>();
  // A server that speaks TLS tells of both: what answers are written to, and what that is written to.
  for (const event of ['connection', 'secureConnection']) {
    server.on(event, (socket: Socket) => {
      open.add(socket);
      socket.once('close', () => {
        open.delete(socket);
        waitedFor.delete(socket);
      });
    });
  }
  const timer = setInterval(() => {
    const now = performance.now();
    for (const socket of open) {
      const written = socket.bytesWritten - socket.writableLength;
      const before = waitedFor.get(socket);
      if (socket.writableLength === 0) waitedFor.delete(socket);
      else if (before?.written !== written) waitedFor.set(socket, { written, since: now });
      else if (now - before.since >= forOneWriteMs) socket.destroy();
    }
  }, lookEveryMs).unref();
  server.once('close', () => clearInterval(timer));
}
