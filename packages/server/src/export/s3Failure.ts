import type { S3Address } from '../exportSettings.js';
import { StoreFailed } from './objectStore.js';

/** What the SDK throws: a code by name, and an answer's status where there was an answer. */
interface S3Error {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** There is one of that name already: what `If-None-Match` asks. */
export function isTaken(error: unknown): boolean {
  return statusOf(error) === 412;
}

export function isGone(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket';
}

/** It begins behind the end. */
export function isWithoutRange(error: unknown): boolean {
  return statusOf(error) === 416;
}

/** Worth another try: the store was busy, the connection broke, or another wrote to that name at this moment. */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  return status === null ? isOfNetwork(error) : status >= 500 || status === 429 || status === 409;
}

/** What the SDK says, for whoever has to do something about it; what it does not say is passed on as it is. */
export function s3Failure({ bucket, endpoint, prefix }: S3Address, error: unknown): unknown {
  if (error instanceof StoreFailed) return error;
  const name = nameOf(error);
  const status = statusOf(error);
  const where = `bucket ${bucket} of ${endpoint ?? 'AWS'}`;
  if (name === 'NoSuchBucket')
    return new StoreFailed('denied', `${where} is not there: make it, or set SWORN_EXPORT_S3_BUCKET right`);
  if (status === 401 || status === 403)
    return new StoreFailed(
      'denied',
      `${where} refuses (${name}): the credentials need s3:ListBucket on it, and s3:PutObject, s3:GetObject and s3:DeleteObject on ${prefix}/*`,
    );
  if (name === 'CredentialsProviderError')
    return new StoreFailed(
      'denied',
      `no credentials for ${where}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role`,
    );
  if (name === 'PermanentRedirect' || status === 301 || /region/i.test(messageOf(error)))
    return new StoreFailed(
      'denied',
      `${where} is in another region, or none is said: set SWORN_EXPORT_S3_REGION right`,
    );
  if (status === 404) return new StoreFailed('gone', `an object in ${where} was removed while it was read`);
  if (status !== null && status >= 400)
    return new StoreFailed(isPassing(error) ? 'unreachable' : 'failed', `${where} answers ${status} ${name}`);
  if (isOfNetwork(error))
    return new StoreFailed(
      'unreachable',
      `${where} does not answer (${name}): see SWORN_EXPORT_S3_ENDPOINT and the network`,
    );
  return error;
}

const NETWORK =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EPIPE|ETIMEDOUT|ERR_STREAM_PREMATURE_CLOSE|ERR_SSL.*|ERR_TLS.*|.*CERT.*|EPROTO)$/;

function isOfNetwork(error: unknown): boolean {
  const { name, code, message } = Object(error) as Partial<S3Error>;
  return name === 'TimeoutError' || message === 'aborted' || NETWORK.test(code ?? '');
}

function statusOf(error: unknown): number | null {
  return (Object(error) as Partial<S3Error>).$metadata?.httpStatusCode ?? null;
}

function nameOf(error: unknown): string {
  const { name, code } = Object(error) as Partial<S3Error>;
  return code ?? name ?? 'unknown';
}

function messageOf(error: unknown): string {
  return (Object(error) as Partial<S3Error>).message ?? '';
}
