import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { invalidParameter } from '../access/refusal.js';
import { problemOf } from './problem.js';

/** Answers what the parser could not read as a request. */
export interface Unread {
  /** Told of the server once it is there. */
  watch(server: Server): void;
  refuse(error: NodeJS.ErrnoException, socket: Socket): void;
}

/** What the parser says of bytes it could not read, in words for whoever sent them; anything else is no HTTP. */
const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'target and headers must fit in 16 KiB',
  HPE_INVALID_METHOD: 'is of a method that nobody knows',
  HPE_INVALID_URL: 'has a target that is none; percent-encode what is not ASCII',
  ERR_HTTP_REQUEST_TIMEOUT: 'did not come in time',
};

/** What goes wrong with HTTP, not with what it comes by. */
const OF_HTTP = /^(HPE|ERR_HTTP)_/;

/**
 * Answers bytes that are no request with a problem, and closes the socket. They name no route, no credential and no record: there is nobody and
 * nothing to write an access record about.
 */
export function createUnread(log: FastifyBaseLogger): Unread {
  /** Answers under way by socket: nothing may be written between their bytes. */
  const underWay = new WeakMap<Socket, number>();
  const count = (socket: Socket, by: number) => underWay.set(socket, (underWay.get(socket) ?? 0) + by);
  return {
    watch(server) {
      server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
        count(socket, 1);
        response.once('close', () => count(socket, -1));
      });
      // Whatever a client expects of the server, a read has none of it; Node would answer by itself.
      server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
        server.emit('request', request, response),
      );
    },
    refuse(error, socket) {
      // Without a handshake there is nothing to write to: an answer would wait for one, and keep the socket.
      if (!OF_HTTP.test(error.code ?? '') || !socket.writable || (underWay.get(socket) ?? 0) > 0) {
        socket.destroy();
        return;
      }
      const requestId = randomUUID();
      log.info({ code: error.code, requestId }, 'bytes that are no request');
      socket.end(answerOf(error, requestId));
    },
  };
}

function answerOf({ code = '' }: NodeJS.ErrnoException, requestId: string): Buffer {
  const refusal = invalidParameter('request', REASONS[code] ?? 'is not HTTP/1.1');
  const body = Buffer.from(JSON.stringify(problemOf(refusal, requestId)), 'utf8');
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    'content-type: application/problem+json',
    `content-length: ${body.length}`,
    `x-request-id: ${requestId}`,
    'cache-control: no-store',
    'connection: close',
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
