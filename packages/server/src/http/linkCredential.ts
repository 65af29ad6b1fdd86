import type { FastifyRequest } from 'fastify';
import type { Authenticate } from '../access/authenticate.js';
import { readLink } from '../access/exportLink.js';
import { Refusal } from '../access/refusal.js';
import { credentialHeaders, type OrderDeps } from './order.js';

/** The link that a request carries; null: none. Read from the target alone, and handed on to nobody. */
export function linkOf(request: FastifyRequest): string | null {
  const [, query = ''] = (request.raw.url ?? '').split('?', 2);
  return new URLSearchParams(query).get('link');
}

/** Whoever has a link is let in as the key that asked for it, and as that key is now. It is looked at once: a download that began in time goes on. */
export function byLink(
  { bundles: { links }, now, rates }: OrderDeps,
  request: FastifyRequest,
  text: string,
): Authenticate {
  const { export_id: exportId = '', '*': name = '' } = request.params as Record<string, string>;
  const file = links.seconds === 0 ? null : readLink(links.key, text, { exportId, name, now: now() });
  return async (_, source) => {
    const { authorization = [], 'x-api-key': apiKey = [] } = credentialHeaders(request);
    if (authorization.length + apiKey.length > 0)
      throw new Refusal('ambiguous_credential', 'a link and a credential were sent: take one of them');
    if (file !== null) return links.keyNamed(file.tenantId, file.keyId);
    rates?.failed(source);
    throw new Refusal('not_authenticated', 'the link opens nothing: it has ended, is of another file, or was changed');
  };
}
