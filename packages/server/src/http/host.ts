import { isLoopback } from '../config.js';

/** Whether the Host header names this server: a page of another site that points its own name here is answered 421. */
export function isOurHost(host: string | undefined, allowed: ReadonlySet<string>): boolean {
  if (host === undefined) return false;
  const name = /^(\[[0-9a-f:.]+\]|[^:]+)(:\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  return isLoopback(name.replace(/^\[|\]$/g, '')) || allowed.has(name);
}
