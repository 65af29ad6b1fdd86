import { readFileSync } from 'node:fs';

/**
 * Reads the base URL of a server.
 * @param shape a sentence with what it looks like
 * @throws Error a sentence, when it is not http or https, or holds what does not belong there; when a token would go over a network in clear
 */
export function readBase(text: string, token: string | null, shape: string): URL {
  const base = URL.canParse(text) ? new URL(text) : null;
  if (base === null || (base.protocol !== 'https:' && base.protocol !== 'http:')) throw new Error(shape);
  if (base.username !== '' || base.password !== '')
    throw new Error('a credential goes into --credential-file, not into the URL');
  if (base.search !== '' || base.hash !== '') throw new Error('the URL has no ? and no #');
  if (token !== null && base.protocol === 'http:' && !isLoopback(base.hostname))
    throw new Error('a credential is sent over https, or to this machine, only');
  base.pathname = base.pathname.replace(/\/+$/, '');
  return base;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The credential in a file, else the one from the environment; null: none. @throws Error when the file is not there or holds more than one line */
export function readToken(file: string | undefined, fromEnvironment: string | undefined): string | null {
  const token = (file === undefined ? (fromEnvironment ?? '') : readFileSync(file, 'utf8')).trim();
  if (token === '') {
    if (file !== undefined) throw new Error(`${file} is empty`);
    return null;
  }
  if (!/^[\u0021-\u007e]+$/.test(token)) throw new Error('the credential is one line of printable ASCII');
  return token;
}

/** What `fetch` threw, as far as a person can use it. */
export function whyNot(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no whole answer within ${timeoutMs / 1000} s`;
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return `cannot be reached${code}`;
}
