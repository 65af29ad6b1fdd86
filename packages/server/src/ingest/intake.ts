import type { Authenticate } from '../access/authenticate.js';
import type { KeyCredential } from '../access/credential.js';
import { beyond, countingFailures, rateHeaders, type RateLimits, type Standing } from '../access/rateLimits.js';
import { loggable } from '../loggable.js';
import { type Networks, sourceOf } from '../networks.js';
import type { DecodedLogs, DecodedMetrics, DecodedTraces, Refused } from '../otlp/decoded.js';
import { decodeLogsJson, decodeMetricsJson, decodeTracesJson } from '../otlp/json.js';
import { decodeLogs, decodeTraces } from '../otlp/wire.js';
import { decodeMetrics } from '../otlp/wireMetrics.js';
import type { Admission } from './admission.js';
import type { Encoding } from './answer.js';
import type { IngestQuotas } from './ingestQuotas.js';
import { type Incoming, readBody } from './body.js';
import { forbidden, type RefusedRequest, refusalOf, retryLater } from './refusedRequest.js';
import type { SignalName } from './signals.js';

/** Largest message, as sent and inflated: what the OTLP specification recommends. */
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The credential of a request, by its headers with repeats kept apart. Throws Refusal; any other error is UNAVAILABLE. */
export type AuthenticateSender = Authenticate<KeyCredential>;

/** Keeps what a request holds: resolves when all of it is durable. Any error: the client sends it again. Never called without items. */
export interface Acceptors {
  readonly traces: (credential: KeyCredential, traces: DecodedTraces) => Promise<void>;
  readonly logs: (credential: KeyCredential, logs: DecodedLogs) => Promise<void>;
  readonly metrics: (credential: KeyCredential, metrics: DecodedMetrics) => Promise<void>;
}

/** What the intake is told. */
export interface IntakeOptions {
  readonly authenticate: AuthenticateSender;
  readonly accept: Acceptors;
  readonly admission: Admission;
  readonly maxBodyBytes?: number;
  /** Nobody is limited unless told otherwise. */
  readonly rates?: RateLimits;
  /** Whose X-Forwarded-For says where a request comes from; nobody's unless told otherwise. */
  readonly trustedProxies?: Networks;
  /** No day has an end unless told otherwise. */
  readonly quotas?: Pick<IngestQuotas, 'withinDay'>;
  readonly log: IngestLog;
}

/** Constant message, variables as fields; no payload, no credential. */
export interface IngestLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Who knocks, before anybody is known: headers with repeats kept apart, and where from. */
export interface Knocking {
  readonly headers: NodeJS.Dict<string[]>;
  /** The socket's. */
  readonly address: string | undefined;
  /** X-Forwarded-For, which anybody may have written. */
  readonly forwarded: string | readonly string[] | undefined;
}

const NO_PROXIES: Pick<Networks, 'has'> = { has: () => false };

/** One export request on its way in, as HTTP or gRPC frames it. */
export interface ExportRequest {
  readonly signal: SignalName;
  readonly encoding: Encoding;
  /** The message; read only after its sender is known and may send. */
  readonly body: () => Incoming | Promise<Incoming>;
}

/**
 * Everything about an export request that does not depend on what it came by: who sends it, room for it, its bytes, what they say, and
 * that it is durable. Shared by the listeners, so that all bytes of a process and a tenant count together.
 */
export class Intake {
  /** Bytes of one message, as sent and inflated. */
  readonly maxBodyBytes: number;
  readonly #options: IntakeOptions;
  readonly #authenticate: AuthenticateSender;
  readonly #signals: Readonly<Record<SignalName, Take>>;

  constructor(options: IntakeOptions) {
    const { accept } = options;
    this.#options = options;
    this.#authenticate = countingFailures(options.rates, options.authenticate);
    this.maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
    this.#signals = {
      traces: take({ protobuf: decodeTraces, json: decodeTracesJson }, ({ spans }) => spans.length, accept.traces),
      logs: take({ protobuf: decodeLogs, json: decodeLogsJson }, ({ records }) => records.length, accept.logs),
      metrics: take(
        { protobuf: decodeMetrics, json: decodeMetricsJson },
        ({ batches }) => batches.length,
        accept.metrics,
      ),
    };
  }

  /** Whether this address of a socket is a trusted proxy's, behind which there are many. */
  isProxy(address: string): boolean {
    return (this.#options.trustedProxies ?? NO_PROXIES).has(address);
  }

  /** The sender of a request, who may send. @throws Refusal, RefusedRequest 403 and 429. */
  async admit({ headers, address, forwarded }: Knocking): Promise<KeyCredential> {
    const { rates, trustedProxies } = this.#options;
    const source = sourceOf(address ?? 'unknown', forwarded, trustedProxies ?? NO_PROXIES);
    demandRate(rates?.ofAddress(source));
    const credential = await this.#authenticate(headers, source);
    demandRate(rates?.ofCredential(credential));
    if (!credential.permissions.has('logs.ingest')) throw forbidden('this key may not send telemetry');
    return credential;
  }

  /** Reads, decodes and stores: when it resolves, what was not refused is durable. Throws what `refusalOf` knows, and SenderGone. */
  async store(credential: KeyCredential, { signal, encoding, body }: ExportRequest): Promise<Refused> {
    const reservation = this.#options.admission.open(credential.tenantId);
    try {
      const bytes = await readBody(await body(), { maxBytes: this.maxBodyBytes, reservation });
      const { tenantId } = credential;
      const take = () => this.#signals[signal](credential, encoding, bytes);
      return await (this.#options.quotas?.withinDay(tenantId, bytes.length, take) ?? take());
    } finally {
      reservation.release();
    }
  }

  /** Why a request is not accepted. What cannot be explained is logged, and the client is told to send again: anything else would lose the data. */
  refusalOf(error: unknown): RefusedRequest {
    return refusalOf(error, () => this.#options.log.error(loggable(error), 'export request not stored'));
  }
}

/** @throws RefusedRequest 429 */
function demandRate(standing: Standing | null | undefined): void {
  if (standing?.isOver !== true) return;
  throw retryLater(429, beyond(standing), standing.resetSeconds, rateHeaders([standing]));
}

/** Decodes the body of one signal and has it stored. */
type Take = (credential: KeyCredential, encoding: Encoding, body: Uint8Array) => Promise<Refused>;

function take<Decoded extends Refused>(
  decode: Readonly<Record<Encoding, (body: Uint8Array) => Decoded>>,
  itemsOf: (decoded: Decoded) => number,
  accept: (credential: KeyCredential, decoded: Decoded) => Promise<void>,
): Take {
  return async (credential, encoding, body) => {
    const decoded = decode[encoding](body);
    if (itemsOf(decoded) > 0) await accept(credential, decoded);
    return decoded;
  };
}
