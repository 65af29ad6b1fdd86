import type { Server, Socket } from 'node:net';
import { networkOf, unmapped } from '../networks.js';
import { MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ADDRESS } from './listening.js';

/** Where the other end of a connection is. */
type OtherEnd = Pick<Socket, 'remoteAddress' | 'remotePort'>;

/** The open connections of a listener. */
export interface Connections {
  /** The socket itself; a session of HTTP/2 shows one that cannot be destroyed while its peer reads nothing, or does not hang up. */
  socketOf(end: OtherEnd): Socket | undefined;
  closeAll(): void;
}

/** Holds a listener to its number of connections, in all and of one address. `isProxy`: who brings the connections of many, and is not counted. */
export function boundConnections(server: Server, isProxy: (address: string) => boolean): Connections {
  const open = new Map<string, Socket>();
  const ofNetwork = new Map<string, number>();
  const count = (network: string, by: 1 | -1): number => {
    const now = (ofNetwork.get(network) ?? 0) + by;
    if (now > 0) ofNetwork.set(network, now);
    else ofNetwork.delete(network);
    return now;
  };
  server.maxConnections = MAX_CONNECTIONS;
  // Before HTTP/2 makes a session of it, which asks for its socket.
  server.prependListener('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.delete(name));
    const address = unmapped(socket.remoteAddress ?? '');
    if (isProxy(address)) return;
    const network = networkOf(address);
    socket.once('close', () => count(network, -1));
    if (count(network, 1) > MAX_CONNECTIONS_OF_ADDRESS) socket.destroy();
  });
  return {
    socketOf: (end) => open.get(nameOf(end)),
    closeAll: () => open.forEach((socket) => socket.destroy()),
  };
}

function nameOf({ remoteAddress, remotePort }: OtherEnd): string {
  return `${remoteAddress} ${remotePort}`;
}
