import { Refusal } from './refusal.js';

/** Headers of a request, as Node gives them: `headers`, or `headersDistinct` where repeats must be seen. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Where a credential was found. */
export interface Presented {
  /** The text that should be a credential. Attacker-controlled. */
  readonly text: string;
  readonly scheme: 'bearer' | 'basic' | 'x-api-key';
}

/**
 * Takes the one credential out of the headers: `Authorization: Bearer`, `Authorization: Basic` (an API key as password, or as user name with
 * an empty password), or `x-api-key`.
 *
 * @throws Refusal `not_authenticated` without one, `ambiguous_credential` with more than one.
 */
export function presentedCredential(headers: RequestHeaders): Presented {
  const authorization = valuesOf(headers.authorization);
  const apiKey = valuesOf(headers['x-api-key']);
  if (authorization.length + apiKey.length > 1) {
    throw new Refusal('ambiguous_credential', 'more than one credential was sent');
  }
  const [key] = apiKey;
  if (key !== undefined) return { text: key, scheme: 'x-api-key' };
  const [header] = authorization;
  if (header === undefined) throw new Refusal('not_authenticated', 'no credential was sent');
  const [, scheme, value] = /^([A-Za-z]+) +([\x21-\x7e]+) *$/.exec(header) ?? [];
  if (value !== undefined && scheme?.toLowerCase() === 'bearer') return { text: value, scheme: 'bearer' };
  if (value !== undefined && scheme?.toLowerCase() === 'basic') return { text: keyOfBasic(value), scheme: 'basic' };
  throw new Refusal('not_authenticated', 'the Authorization header is neither Bearer nor Basic');
}

function valuesOf(header: string | readonly string[] | undefined): readonly string[] {
  // Whoever stands between may have joined repeats with a comma, and no credential holds one.
  return [header ?? []].flat().flatMap((value) => value.split(',').map((part) => part.trim()));
}

/** RFC 7617: base64 of `user:password`. Two keys in one header are two credentials. */
function keyOfBasic(value: string): string {
  const text = Buffer.from(value, 'base64').toString('latin1');
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  const password = colon < 0 ? '' : text.slice(colon + 1);
  if (user.startsWith('swk_') && password.startsWith('swk_') && user !== password) {
    throw new Refusal('ambiguous_credential', 'user name and password are two keys');
  }
  return password === '' ? user : password;
}
