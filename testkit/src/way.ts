import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a database that something may happen to. */
export interface Way {
  /** On 127.0.0.1. */
  readonly port: number;
  /** Closes every connection and takes no more. */
  cut(): void;
  mend(): Promise<void>;
  /** Connections stay, and more are taken, but no byte goes on, in neither direction. */
  freeze(): void;
  /** All that was held back goes on. */
  thaw(): void;
}

/** Opens a way to a PostgreSQL; `host` is an address, or the directory of its Unix socket. */
export async function openWay({ host, port }: { readonly host: string; readonly port: number }): Promise<Way> {
  const open = new Set<Socket>();
  const ends: [from: Socket, to: Socket][] = [];
  let isFrozen = false;
  let server: Server;
  const listen = (at: number): Promise<void> => {
    server = createServer((from) => {
      const to = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
      for (const end of [
        [from, to],
        [to, from],
      ] as [Socket, Socket][]) {
        const [one, other] = end;
        open.add(one);
        ends.push(end);
        one.on('error', () => undefined);
        one.on('close', () => {
          open.delete(one);
          ends.splice(ends.indexOf(end), 1);
          other.destroy();
        });
        if (!isFrozen) one.pipe(other);
      }
    });
    return new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  };
  await listen(0);
  const at = (server!.address() as AddressInfo).port;
  return {
    port: at,
    cut() {
      server.close();
      for (const socket of open) socket.destroy();
    },
    mend: () => listen(at),
    freeze() {
      isFrozen = true;
      for (const [one, other] of ends) one.unpipe(other).pause();
    },
    thaw() {
      isFrozen = false;
      for (const [one, other] of ends) one.pipe(other);
    },
  };
}
