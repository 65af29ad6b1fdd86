import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Refused } from '../otlp/decoded.js';

/** The encoding of a request, and so of its answer. */
export type Encoding = 'protobuf' | 'json';

/** google.rpc.Code: the numbers a Status carries. */
export const RPC_CODE = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** A google.rpc.Status. `field`, if given, becomes a BadRequest detail that names what was wrong. */
export interface RpcStatus {
  readonly code: (typeof RPC_CODE)[keyof typeof RPC_CODE];
  readonly message: string;
  readonly field?: string;
}

/** Bytes of one message of an answer, well below the 4 MiB that OTLP bounds answers by. */
const MAX_MESSAGE_LENGTH = 1_024;

const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

/** The media type of an answer. */
export function mediaTypeOf(encoding: Encoding): string {
  return encoding === 'protobuf' ? 'application/x-protobuf' : 'application/json';
}

/** The member of a partial success that counts what was refused, by signal; in protobuf it is field 1 of all. */
export type RejectedMember = 'rejectedSpans' | 'rejectedLogRecords';

/** Export…ServiceResponse; `partial_success` stays unset when everything was accepted (OTLP: a client logs it as a warning). */
export function exportResponse(encoding: Encoding, member: RejectedMember, { rejected, message }: Refused): Uint8Array {
  const errorMessage = (message ?? '').slice(0, MAX_MESSAGE_LENGTH);
  if (encoding === 'json') {
    return json(rejected === 0 ? {} : { partialSuccess: { [member]: String(rejected), errorMessage } });
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
  if (encoding === 'json') {
    const details =
      status.field === undefined
        ? {}
        : { details: [{ '@type': BAD_REQUEST, fieldViolations: [{ field: status.field, description: message }] }] };
    return json({ code: status.code, message, ...details });
  }
  const writer = new BinaryWriter().tag(1, 0).int32(status.code).tag(2, 2).string(message);
  if (status.field !== undefined) {
    const violation = new BinaryWriter()
      .tag(1, 2)
      .fork()
      .tag(1, 2)
      .string(status.field)
      .tag(2, 2)
      .string(message)
      .join();
    writer.tag(3, 2).fork().tag(1, 2).string(BAD_REQUEST).tag(2, 2).bytes(violation.finish()).join();
  }
  return writer.finish();
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
