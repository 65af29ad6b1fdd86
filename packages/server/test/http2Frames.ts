import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

// HTTP/2 written frame by frame (RFC 9113): what no client of Node's would send.

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 } as const;
export const FLAG = { endStream: 1, endHeaders: 4 } as const;
/** Codes that a stream or a connection ends with (RFC 9113, 7). */
export const CODE = { refusedStream: 7, cancel: 8, enhanceYourCalm: 11 } as const;
/** SETTINGS_INITIAL_WINDOW_SIZE. */
export const INITIAL_WINDOW_SIZE = 4;

/** One frame. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, { flags = 0, stream = 0, payload = Buffer.alloc(0) }: Partial<Frame>): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as HPACK's literals that nobody has to remember (RFC 7541, 6.2.2); names and values of less than 127 bytes. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]),
  );
}

/** A frame of SETTINGS with one of them. */
export function setting(id: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(id, 0);
  payload.writeUInt32BE(value, 2);
  return frame(FRAME.settings, { payload });
}

/** A connection that has said that it speaks HTTP/2, and what came back on it. */
export interface RawConnection {
  readonly socket: Socket;
  readonly got: readonly Frame[];
  /** Resolves when the server has closed it. */
  readonly closed: Promise<void>;
  /** Of the last GOAWAY; null: there was none. */
  goawayCode(): number | null;
}

/** One that does not hang up stays when the server does, until what it writes is answered by a reset. */
export async function rawConnection(address: string, { hangsUp = true } = {}): Promise<RawConnection> {
  const { hostname, port } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: !hangsUp });
  const got: Frame[] = [];
  let rest = Buffer.alloc(0);
  socket.on('data', (piece) => {
    rest = Buffer.concat([rest, piece]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3);
      const payload = rest.subarray(9, 9 + length);
      got.push({ type: rest.readUInt8(3), flags: rest.readUInt8(4), stream: rest.readUInt32BE(5), payload });
      rest = rest.subarray(9 + length);
    }
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, {})]));
  return {
    socket,
    got,
    closed,
    goawayCode: () => got.findLast(({ type }) => type === FRAME.goaway)?.payload.readUInt32BE(4) ?? null,
  };
}
