import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Refused } from '../otlp/decoded.js';
import type { SignalName } from './signals.js';

/** The encoding of a request, and so of its answer. */
export type Encoding = 'protobuf' | 'json';

/** google.rpc.Code: the numbers a Status carries. */
export const RPC_CODE = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** A google.rpc.Status. `field`, if given, becomes a BadRequest detail that names what was wrong; `retrySeconds` a RetryInfo: send it again. */
export interface RpcStatus {
  readonly code: (typeof RPC_CODE)[keyof typeof RPC_CODE];
  readonly message: string;
  readonly field?: string;
  readonly retrySeconds?: number;
}

/** Bytes of one message of an answer, well below the 4 MiB that OTLP bounds answers by. */
const MAX_MESSAGE_LENGTH = 1_024;

const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';

/** The media type of an answer. */
export function mediaTypeOf(encoding: Encoding): string {
  return encoding === 'protobuf' ? 'application/x-protobuf' : 'application/json';
}

/** The member of a partial success that counts what was refused; in protobuf it is field 1 of all. */
const REJECTED_MEMBERS: Readonly<Record<SignalName, string>> = {
  traces: 'rejectedSpans',
  logs: 'rejectedLogRecords',
  metrics: 'rejectedDataPoints',
};

/** Export…ServiceResponse; `partial_success` stays unset when everything was accepted (OTLP: a client logs it as a warning). */
export function exportResponse(encoding: Encoding, signal: SignalName, { rejected, message }: Refused): Uint8Array {
  const errorMessage = (message ?? '').slice(0, MAX_MESSAGE_LENGTH);
  if (encoding === 'json') {
    return json(
      rejected === 0 ? {} : { partialSuccess: { [REJECTED_MEMBERS[signal]]: String(rejected), errorMessage } },
    );
  }
  const writer = new BinaryWriter();
  if (rejected > 0) {
    writer.tag(1, 2).fork().tag(1, 0).int64(rejected).tag(2, 2).string(errorMessage).join();
  }
  return writer.finish();
}

/** A Status in the encoding of the request. */
export function statusBody(encoding: Encoding, status: RpcStatus): Uint8Array {
  const message = status.message.slice(0, MAX_MESSAGE_LENGTH);
  const { code, field, retrySeconds } = status;
  if (encoding === 'json') {
    const details = [
      ...(field === undefined ? [] : [{ '@type': BAD_REQUEST, fieldViolations: [{ field, description: message }] }]),
      ...(retrySeconds === undefined ? [] : [{ '@type': RETRY_INFO, retryDelay: `${retrySeconds}s` }]),
    ];
    return json({ code, message, ...(details.length > 0 && { details }) });
  }
  const writer = new BinaryWriter().tag(1, 0).int32(code).tag(2, 2).string(message);
  if (field !== undefined) {
    const violation = new BinaryWriter().tag(1, 2).fork().tag(1, 2).string(field).tag(2, 2).string(message).join();
    detail(writer, BAD_REQUEST, violation);
  }
  // RetryInfo.retry_delay is a Duration, whose field 1 is the seconds.
  if (retrySeconds !== undefined) {
    detail(writer, RETRY_INFO, new BinaryWriter().tag(1, 2).fork().tag(1, 0).int64(retrySeconds).join());
  }
  return writer.finish();
}

/** Adds to `Status.details` (field 3) an Any of this type. */
function detail(status: BinaryWriter, typeUrl: string, value: BinaryWriter): void {
  status.tag(3, 2).fork().tag(1, 2).string(typeUrl).tag(2, 2).bytes(value.finish()).join();
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
