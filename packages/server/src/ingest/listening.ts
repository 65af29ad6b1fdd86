/** What a listener of `node:tls` is told; certificate and key in PEM. */
export interface TlsFiles {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** A client has this long for its headers, and for a whole request: longer is a slow loris, not a slow network. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const REQUEST_TIMEOUT_MS = 60_000;

/** A connection on which nothing moves is closed; longer than the batch interval of exporters (5 s), so that they keep theirs. */
export const IDLE_TIMEOUT_MS = 65_000;

/** Headers of one request, in bytes; a key is 100. */
export const MAX_HEADER_BYTES = 16_384;

/** A client has this long to take an answer, which is some bytes; over gRPC, and to close what is told to be closed. */
export const ANSWER_TIMEOUT_MS = 10_000;

/** Open connections of a listener: over HTTP each costs some 10 KiB before it has authenticated, over gRPC at most 64 KiB more. */
export const MAX_CONNECTIONS = 2_048;

/** Of those, by one address (IPv4, or a /64 of IPv6) that is no trusted proxy: a quarter, so that one machine leaves room for others. A process that sends holds one or two. */
export const MAX_CONNECTIONS_OF_ADDRESS = MAX_CONNECTIONS / 4;

/** How long `stop` waits for requests in flight before it closes their connections. */
export const STOP_TIMEOUT_MS = 30_000;
