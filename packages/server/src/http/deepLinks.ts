import { DEEP_LINKS } from '@sworn/contract';
import type { FastifyInstance, RouteHandlerMethod } from 'fastify';
import { Refusal } from '../access/refusal.js';
import { sendProblem } from './problem.js';

/**
 * The deep links, for whoever holds an id from an alert and a key of his own: they say where the answer is and read nothing, so they ask for no
 * credential and leave no access record; what they lead to does both. What follows `?` is dropped: chat tools add things there.
 */
export function addDeepLinks(app: FastifyInstance): void {
  for (const link of DEEP_LINKS) {
    const url = link.path.replace(/\{([a-z_]+)\}/, ':$1');
    const handler: RouteHandlerMethod = (request, reply) => {
      const pasted = (request.params as Readonly<Record<string, string>>)[link.param] ?? '';
      const target = link.target(pasted);
      if (target === null) return sendProblem(reply, new Refusal('not_found', `this link takes ${link.takes}`));
      // A path and no URL: it cannot lead away from this host, whatever was pasted and whatever stands in front.
      return reply
        .code(302)
        .header('location', target)
        .header('cache-control', 'no-store')
        .type('text/plain; charset=utf-8')
        .send(`${target}\n`);
    };
    app.route({ method: ['GET', 'HEAD'], url, handler });
  }
}
