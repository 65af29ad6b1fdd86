import { DEEP_LINKS } from './deepLinks.js';
import { DOWNLOAD_ROUTES } from './downloads.js';
import { type Endpoint, ENDPOINTS, FACADE_PREFIX, PATH_ID, PUBLIC_ROUTES } from './endpoints.js';
import { fieldsOf, type ReadSchema, typeOf } from './fieldTable.js';
import { problemCodesOf } from './openapi.js';
import { MAX_LONG_PAGE, MAX_PAGE, TEXT_FILTER, TIME_FILTER } from './page.js';
import { PROBLEM_CODES, PROBLEMS } from './problem.js';
import { SHARED_SHAPES } from './sharedShapes.js';
import { TLOG_ROUTES } from './tlog.js';

/** An answer as a server gave it once. */
export interface Example {
  /** Method, path and query. */
  readonly asked: string;
  readonly answer: unknown;
}

/** Path of an endpoint's example in this package; `contract.test.ts` of the server records it. */
export function examplePath(endpointId: string): string {
  return `examples/${endpointId}.json`;
}

/** How an example is recorded that is missing, or shows what is no longer served. */
export const RECORD_EXAMPLES = "npx vitest run packages/server/test/contract.test.ts -t 'has an example' -u";

/**
 * The page `docs/contracts/LOGS_DOMAIN_V2_CONTRACT.md`: every endpoint with its parameters, members, problems and an answer. Throws for an
 * endpoint without an example.
 */
export function contractMarkdown(version: string, examples: ReadonlyMap<string, Example>): string {
  const sections = [
    opening(version),
    overview(),
    ...ENDPOINTS.map((endpoint, n) => endpointSection(endpoint, n + 1, examples.get(endpoint.id))),
    sharedSection(),
    problemSection(),
    besideSection(),
  ];
  return `${sections.join('\n\n')}\n`;
}

function opening(version: string): string {
  return `# The logs domain, v2, as it is served

Generated from \`packages/contract\` by \`npm run generate -w @sworn/contract\`; edit the schemas there. Sworn ${version}. The same schemas validate
requests, serialise answers and make \`/api/v1/openapi.json\`. The examples are answers of the server that the contract test starts, byte for byte
but for line breaks, recorded by that test; it fails when what is served has another shape. Their proofs hold: SHA-256 of a zero byte and the leaf is the
checksum.

## Everywhere

- \`GET\` and \`HEAD\` only; any other verb is [\`method_not_allowed\`](../problems/method_not_allowed.md). Nothing under \`${FACADE_PREFIX}\` changes anything.
- The credential is an API key: \`Authorization: Bearer swk_…\`, \`x-api-key\`, or the password of \`Basic\`. The tenant comes from it and from nothing else; a record
  of another tenant is [\`not_found\`](../problems/not_found.md), as one that never was.
- Parameters are strict: one that is unknown, stands twice, or is malformed is [\`invalid_parameter\`](../problems/invalid_parameter.md), which names it.
  Path parameters match \`${PATH_ID.source}\` after decoding.
- Lists have at most ${MAX_PAGE} records on a page, long answers ${MAX_LONG_PAGE.toLocaleString('en')} items; \`next_cursor\` goes on, and pins the size of every log it reads.
  With \`Accept: application/x-ndjson\` a list or long answer streams whole, an item a line, and ends with \`{"complete":true,"count":n}\`.
- Every read is recorded before it is answered, and \`/audit/access\` shows it. Every answer says \`X-Request-Id\` and, in \`Sworn-Log-Sizes\`, how long the logs are.
- Answers say by \`RateLimit-Policy\` and \`RateLimit\` (draft-ietf-httpapi-ratelimit-headers-11) how often an address and a credential may ask; beyond it is
  [\`rate_limited\`](../problems/rate_limited.md), with \`Retry-After\`.
- Times are RFC 3339 in UTC with six digits. What is not known is null, never 0 and never a guess. Money is a decimal string with nine digits.
- People, and the addresses they ask from, stand as tokens (\`tok_\` and 32 hex digits); filters take the person or the token. Who may see contents is told in \`clear\` whom the tokens stand for.
- Answers about one record have an \`ETag\`. A record that does not agree with its log is [\`evidence_compromised\`](../problems/evidence_compromised.md); in a list
  a [CompromisedItem](#compromiseditem) stands in its place.`;
}

function overview(): string {
  const rows = ENDPOINTS.map(
    ({ id, path, permission, summary }, n) =>
      `| ${n + 1} | [\`${path}\`](#${anchor(id)}) | ${cell(summary)} | \`${permission}\` |`,
  );
  return `## Endpoints\n\n${table(['', 'GET', 'answers', 'permission'], rows)}`;
}

function endpointSection(endpoint: Endpoint, number: number, example: Example | undefined): string {
  if (example === undefined) throw new Error(`${endpoint.id} has no example: ${RECORD_EXAMPLES}`);
  const parameters = Object.entries(endpoint.query.properties) as [string, ReadSchema][];
  return [
    `## ${endpoint.id}`,
    `${number}. \`GET ${endpoint.path}\``,
    `${endpoint.summary} Needs \`${endpoint.permission}\`. ${SHAPES[endpoint.shape]}`,
    parameters.length === 0
      ? 'No query parameters.'
      : table(
          ['parameter', 'takes', 'meaning'],
          parameters.map(
            ([name, schema]) => `| \`${name}\` | ${cell(takes(schema))} | ${cell(schema.description ?? '')} |`,
          ),
        ),
    memberTable(endpoint.response),
    ...(endpoint.ocsf === undefined
      ? []
      : ['With `format=ocsf`:', memberTable(endpoint.ocsf), 'See [ocsf.md](../ocsf.md).']),
    `Problems: ${problemCodesOf(endpoint).map(problemLink).join(', ')}.`,
    `\`${example.asked}\``,
    `\`\`\`json\n${JSON.stringify(example.answer, null, 2)}\n\`\`\``,
  ].join('\n\n');
}

const SHAPES: Readonly<Record<Endpoint['shape'], string>> = {
  list: 'A list: pages or lines.',
  record: 'One record, with an ETag.',
  long: 'A long answer: pages or lines, with an ETag once nothing of it can change.',
  status: 'How things are now.',
};

/** What a parameter takes. */
function takes(schema: ReadSchema): string {
  const { pattern, minimum, maximum, default: unlessTold } = schema;
  if (pattern === TEXT_FILTER) return 'text';
  if (pattern === TIME_FILTER) return 'time or date';
  if (pattern !== undefined) return `\`${pattern}\``;
  const bounds = [
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`to ${maximum}`]),
    ...(unlessTold === undefined ? [] : [`else ${unlessTold}`]),
  ];
  return [typeOf(schema), ...bounds].join(' ');
}

function sharedSection(): string {
  const shapes = SHARED_SHAPES.map(
    ({ name, schema, what }) => `### ${name}\n\n${what}\n\n${memberTable(schema as ReadSchema)}`,
  );
  return `## What stands in several answers\n\n${shapes.join('\n\n')}`;
}

function memberTable(object: ReadSchema): string {
  const rows = fieldsOf(object).map(({ path, type, meaning }) => `| \`${path}\` | ${cell(type)} | ${cell(meaning)} |`);
  return table(['member', 'type', 'meaning'], rows);
}

function problemSection(): string {
  const rows = PROBLEM_CODES.map(
    (code) => `| ${PROBLEMS[code].status} | ${problemLink(code)} | ${cell(PROBLEMS[code].meaning)} |`,
  );
  return `## Problems\n\nRFC 9457, as \`application/problem+json\`: a [Problem](#problem).\n\n${table(['status', 'code', 'meaning'], rows)}`;
}

function besideSection(): string {
  const links = DEEP_LINKS.map(
    ({ path, summary, takes: what }) => `| \`${path}\` | none | ${cell(`${summary} Takes ${what}.`)} |`,
  );
  const open = PUBLIC_ROUTES.map((path) => `| \`${path}\` | none | |`);
  const logs = TLOG_ROUTES.map(
    ({ path, permission }) =>
      `| \`${path}\` | \`${permission}\` | A log as C2SP tlog-tiles: [tlog.md](../spec/tlog.md). |`,
  );
  const downloads = DOWNLOAD_ROUTES.map(
    ({ path, permission }) =>
      `| \`${path}\` | \`${permission}\` | A bundle, or a file of it by its name: [exports.md](../operate/exports.md). |`,
  );
  return `## Beside the facade\n\n${table(['GET', 'permission', ''], [...open, ...links, ...logs, ...downloads])}`;
}

const problemLink = (code: string): string => `[\`${code}\`](../problems/${code}.md)`;

/** The anchor that GitHub gives a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9_ -]/g, '')
    .replaceAll(' ', '-');

function table(head: readonly string[], rows: readonly string[]): string {
  return [`| ${head.join(' | ')} |`, `|${'---|'.repeat(head.length)}`, ...rows].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
