import { constants, type Http2Session, type ServerHttp2Stream, type SessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { ANSWER_TIMEOUT_MS, HEADERS_TIMEOUT_MS, IDLE_TIMEOUT_MS, MAX_HEADER_BYTES } from './listening.js';

/** Calls of one connection at a time; an exporter has a handful in flight, a Collector some ten. */
const MAX_CONCURRENT_STREAMS = 128;

/** Calls beyond those that a connection may try, or frames that break the protocol, before it is closed: a client that was told the bound sends neither. */
const MAX_BROKEN_FRAMES = 100;

/** Headers of one request: an exporter sends about ten. */
const MAX_HEADER_PAIRS = 64;

/**
 * Pings and settings between two calls: each has to be answered, and costs its sender nothing. A client that keeps an idle connection alive
 * pings every ten seconds at most (gRPC, "Keepalive"), one that measures the way there (gRPC-Go) once an answer.
 */
const MAX_PINGS_BETWEEN_CALLS = 100;

/**
 * Calls that are taken back, or cut off by us, with none answered between: a call costs its sender a frame and us a look at who he is ("rapid
 * reset", CVE-2023-44487). All that may be open at a time run out of their deadline twice; a client that goes on has another connection.
 */
const MAX_RESETS_BETWEEN_ANSWERS = 2 * MAX_CONCURRENT_STREAMS;

/** Bytes of one call that may be on their way without being read. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;

/** Left out of Node's types. */
const BROKEN = { maxSessionInvalidFrames: MAX_BROKEN_FRAMES, maxSessionRejectedStreams: MAX_BROKEN_FRAMES };

/** What HTTP/2 itself is told. Beside it nghttp2 takes headers in 8 pieces at most, and answers no call any more after 1,000 resets, or 33 a second. */
export const CONNECTION_SETTINGS: SessionOptions = {
  maxHeaderListPairs: MAX_HEADER_PAIRS,
  ...BROKEN,
  settings: {
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    maxHeaderListSize: MAX_HEADER_BYTES,
    initialWindowSize: STREAM_WINDOW_BYTES,
  },
};

/** A connection, held to its bounds of time and of frames that are no call. */
export interface BoundConnection {
  /** A call of it began. */
  began(stream: ServerHttp2Stream): void;
  /** Somebody who may send has called. */
  isKnown(): void;
  /** A call was answered, or cut off: whoever does not take that within ANSWER_TIMEOUT_MS would hold the connection for ever. */
  ends(stream: ServerHttp2Stream): void;
}

/**
 * Begins to hold a connection to its bounds. What counts is calls: a ping is no sign of life, or strangers could hold every connection by it.
 * Until somebody who may send has called it has HEADERS_TIMEOUT_MS, after him IDLE_TIMEOUT_MS from the end of each call. `socket` is under it.
 */
export function boundConnection(session: Http2Session, socket: Socket | undefined): BoundConnection {
  const strangerUntil = performance.now() + HEADERS_TIMEOUT_MS;
  let known = false;
  let calls = 0;
  let pings = 0;
  let resets = 0;
  let idle: NodeJS.Timeout;
  // Only the socket goes whatever its peer does: a session waits for him to read, and to hang up.
  const cut = (): void => void socket?.destroy();
  const leave = (end: () => void): void => {
    end();
    const late = setTimeout(cut, ANSWER_TIMEOUT_MS);
    socket?.once('close', () => clearTimeout(late));
  };
  const wait = (): void => {
    // GOAWAY: a call that is just beginning is one for the next connection.
    const close = (): void => leave(() => session.close());
    idle = setTimeout(close, known ? IDLE_TIMEOUT_MS : strangerUntil - performance.now());
  };
  const demand = (isCalm: boolean): void => {
    if (isCalm || session.destroyed) return;
    leave(() => session.destroy(new Error('flooded'), constants.NGHTTP2_ENHANCE_YOUR_CALM));
  };
  const counted = (): void => {
    pings += 1;
    demand(pings <= MAX_PINGS_BETWEEN_CALLS);
  };
  session.on('ping', counted).on('remoteSettings', counted);
  session.once('close', () => clearTimeout(idle));
  wait();
  return {
    began(stream) {
      pings = 0;
      calls += 1;
      clearTimeout(idle);
      stream.once('close', () => {
        calls -= 1;
        resets = stream.aborted ? resets + 1 : 0;
        demand(resets <= MAX_RESETS_BETWEEN_ANSWERS);
        if (calls === 0 && !session.destroyed) wait();
      });
    },
    isKnown() {
      known = true;
    },
    ends(stream) {
      const late = setTimeout(cut, ANSWER_TIMEOUT_MS);
      stream.once('close', () => clearTimeout(late));
    },
  };
}
