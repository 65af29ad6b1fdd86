import type { Socket } from 'node:net';
import type pg from 'pg';

/** Its code is Node's for a peer that does not answer. */
class Silent extends Error {
  readonly code = 'ETIMEDOUT';
}

/**
 * Closes connections of a pool on which nothing moves for `silenceMs` while they are at work: the database, or something on the way to it, took
 * what was asked and says nothing. Whatever waits on one is told by its own rejection, COPY too, and the pool drops it.
 *
 * A bound on the statement itself would not do: pg goes on using a connection whose statement it gave up.
 */
export function closeSilent(pool: pg.Pool, silenceMs: number): void {
  pool.on('connect', (client) => {
    const socket = socketOf(client);
    socket.on('timeout', () => {
      const { bytesRead } = socket;
      // In a process that was kept from looking, the answer may be there already: it is read before this.
      setImmediate(() => {
        if (socket.bytesRead === bytesRead) socket.destroy(new Silent(`the database said nothing for ${silenceMs} ms`));
      });
    });
  });
  pool.on('acquire', (client) => void socketOf(client).setTimeout(silenceMs));
  pool.on('release', (_, client) => void socketOf(client).setTimeout(0));
}

/** The TLS socket where there is TLS. Ours is the driver in JavaScript, whose stream is Node's own. */
function socketOf(client: pg.PoolClient): Socket {
  return (client as unknown as pg.Client).connection.stream as Socket;
}
