import { isLoopback } from '../networks.js';

/** Whether the Host header names this server: a page of another site that points its own name here is answered 421. `allowed`: lower case, without brackets or port. */
export function isOurHost(host: string | undefined, allowed: ReadonlySet<string>): boolean {
  if (host === undefined) return false;
  const name = /^(\[[0-9a-f:.]+\]|[^:]+)(:\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  return isLoopback(bare) || allowed.has(bare);
}
