import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Endpoint, type EndpointId, type Example, examplePath } from '@sworn/contract';
import type { Told } from './contractHouse.js';

/** What is asked for an example, where the first two records would show little. */
const ASKED: Partial<Readonly<Record<EndpointId, string>>> = {
  // A run, and one whose row somebody changed.
  'llm_runs.list': '?conversation_id=chat-42&include_total=true',
  'llm_runs.trace': '?fields=io&limit=2',
  'audit.list': '?event_type=KEY_CREATED&limit=1',
  'audit.authorization': '?limit=1',
  'audit.access': '?limit=1',
  'audit.integrity': '?log=llm-runs&leaf_index=0',
};

/** Query of the request that an endpoint's example answers. */
export function exampleQuery({ id, query }: Endpoint): string {
  return ASKED[id as EndpointId] ?? ('limit' in query.properties ? '?limit=2' : '');
}

/** File of an endpoint's example. */
export function exampleFile({ id }: Endpoint): string {
  return fileURLToPath(new URL(`../../contract/${examplePath(id)}`, import.meta.url));
}

/** What the file should hold: what it holds, for as long as that is still how it is answered, since a real answer with its proof is no worse for its age; else this answer. */
export function exampleText(endpoint: Endpoint, { asked, json }: Told): string {
  const file = exampleFile(endpoint);
  const held = existsSync(file) ? readFileSync(file, 'utf8') : null;
  if (held !== null && isLike((JSON.parse(held) as Example).answer, json)) return held;
  return `${JSON.stringify({ asked, answer: json } satisfies Example, null, 2)}\n`;
}

/** Whether two answers have the same members, of the same types. Null, and a list with nothing in it, say no type; one of several kinds of items may be missing; tokens are never alike. */
function isLike(example: unknown, served: unknown): boolean {
  if (example === null || served === null) return true;
  if (Array.isArray(example) && Array.isArray(served))
    return served.length === 0 || example.every((one) => served.some((other) => isLike(one, other)));
  if (typeof example !== 'object' || typeof served !== 'object') return typeof example === typeof served;
  const [one, other] = [example, served] as Readonly<Record<string, unknown>>[];
  const [names, others] = [namesOf(one ?? {}), namesOf(other ?? {})];
  return names.join() === others.join() && names.every((name) => isLike(one?.[name], other?.[name]));
}

/** Names of members, sorted, but for tokens, which are another with each tenant. */
function namesOf(answer: object): readonly string[] {
  return Object.keys(answer)
    .filter((name) => !name.startsWith('tok_'))
    .toSorted();
}
