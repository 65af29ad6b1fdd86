import { METHODS } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type Endpoint, ENDPOINTS, FACADE_PREFIX, PATH_ID, Problem, PROBLEMS, RECORD_EXAMPLES } from '@sworn/contract';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ITEMS } from '../src/http/questions.js';
import {
  accepts,
  decoded,
  exampleOf,
  oddHeaders,
  parametersOf,
  rawQuery,
  strangeName,
  type ParameterSchema,
  type WireParameter,
  wirePathId,
  wireQuery,
  wireValue,
} from './contractCases.js';
import { exampleFile, exampleQuery, exampleText } from './contractExamples.js';
import { buildContractHouse, type ContractHouse, type Ids, pathOf, type Told } from './contractHouse.js';
import { newTrace } from './facadeSpans.js';

/**
 * The contract suite: walks the endpoint table, makes its cases from the schemas, and checks every answer with a validator that the server does
 * not use. An endpoint that is added is in it.
 */

/** Requests of one property that are under way together. */
const AT_ONCE = 6;
/** Batches of one property, and of one for each parameter there is. */
const BATCHES = 12;
const BATCHES_EACH = 3;

let house: ContractHouse;
let documented: Documented;
beforeAll(async () => {
  house = await buildContractHouse();
  documented = await readDocument();
});
afterAll(() => house?.close());

const validator = () =>
  formats.default(new Ajv2020({ strict: true, allErrors: true, strictTypes: false, strictRequired: false }));
const plain = (schema: unknown): object => JSON.parse(JSON.stringify(schema)) as object;
const ajv = validator();
const isProblem = ajv.compile(plain(Problem));
const isAnswer = new Map<string, ValidateFunction>(ENDPOINTS.map((e) => [e.id, ajv.compile(plain(e.response))]));
/** Reading Sworn's own records makes one more of them. */
const grows = ({ permission, shape }: Endpoint) => permission === 'logs.audit' && shape === 'list';
/** Lists of what this suite makes are first, while it has made little: whoever asks for all of a list gets all that was asked before. */
const all: readonly Endpoint[] = ENDPOINTS.toSorted((a: Endpoint, b: Endpoint) => Number(grows(b)) - Number(grows(a)));
/** Answers with `format=ocsf`. */
const isEvents = new Map<string, ValidateFunction>(
  all.flatMap(({ id, ocsf }) => (ocsf === undefined ? [] : [[id, ajv.compile(plain(ocsf))]])),
);

/** What `openapi.json` says, as somebody reads it who has nothing else. */
interface Documented {
  readonly text: string;
  answer(endpoint: Endpoint): ValidateFunction;
  readonly problem: ValidateFunction;
}

async function readDocument(): Promise<Documented> {
  const { text, json } = await house.ask('/api/v1/openapi.json', { key: null });
  const own = validator();
  own.addKeyword('components');
  const compile = (schema: object): ValidateFunction => own.compile({ ...schema, components: json.components });
  const compiled = new Map<string, ValidateFunction>();
  for (const { path } of all)
    compiled.set(path, compile(json.paths[path].get.responses['200'].content['application/json'].schema));
  const problem = compile(json.components.schemas.Problem);
  return { text, problem, answer: ({ path }) => compiled.get(path) as ValidateFunction };
}

function expectValid(check: ValidateFunction, value: unknown, asked: string): void {
  check(value);
  expect(check.errors ?? [], `${asked}: ${JSON.stringify(value).slice(0, 2_000)}`).toEqual([]);
}

/** A problem that is one in every respect; its code. */
function problemCode({ asked, status, headers, json, text }: Told): string {
  expect(headers['content-type'], `${asked}: ${status} ${text}`).toBe('application/problem+json');
  expectValid(isProblem, json, asked);
  expectValid(documented.problem, json, asked);
  const code = json.code as keyof typeof PROBLEMS;
  expect(status, asked).toBe(PROBLEMS[code].status);
  expect(json.status).toBe(status);
  expect(json.title).toBe(PROBLEMS[code].title);
  expect(json.instance).toBe(headers['x-request-id']);
  for (const header of ['etag', 'sworn-log-sizes', 'content-encoding', 'last-modified'])
    expect(headers[header], `${asked} ${header}`).toBeUndefined();
  expect(headers['cache-control']).toBe('no-store');
  return code;
}

/** Which log, leaf and checkpoints there are, no schema can say. */
const OF_PROOFS = ['log', 'leaf_index', 'from_size', 'size'];

/** A whole answer, by both documents. */
function expectAnswer(endpoint: Endpoint, got: Told): void {
  expect(got.status, `${got.asked}: ${got.text.slice(0, 500)}`).toBe(200);
  expect(got.headers['content-type']).toBe('application/json; charset=utf-8');
  const schemas = got.asked.includes('format=ocsf') ? isEvents : isAnswer;
  expectValid(schemas.get(endpoint.id) as ValidateFunction, got.json, got.asked);
  expectValid(documented.answer(endpoint), got.json, got.asked);
}

/** Names of the parameters a 400 complains of. */
function complainedOf(got: Told): string[] {
  expect(problemCode(got), got.asked).toBe('invalid_parameter');
  return (got.json.errors as { parameter: string }[]).map(({ parameter }) => parameter);
}

/** Ids of what the endpoint's path names. */
const idsOf = ({ params }: Endpoint): Ids => (params.includes('entry_id') ? house.entries : house.runs);

/** A query that has the same answer for as long as the suite goes on. */
const fixedOf = (endpoint: Endpoint) => (grows(endpoint) ? `recorded_before=${house.at}` : '');

const queryOf = (parameters: readonly WireParameter[]) =>
  parameters.map(({ name, wire }) => `${name}=${wire}`).join('&');

/** Runs one property over batches of cases, each a request. */
function forAll<T>(cases: fc.Arbitrary<T>, check: (one: T) => Promise<void>, numRuns = BATCHES): Promise<void> {
  const batch = fc.array(cases, { minLength: AT_ONCE, maxLength: AT_ONCE });
  return fc.assert(
    fc.asyncProperty(batch, async (batched) => {
      await Promise.all(batched.map(check));
    }),
    { numRuns, endOnFailure: true },
  );
}

describe('the OpenAPI document', () => {
  it('is a valid one of version 3.1, by its own meta-schema', async () => {
    const checker = new Validator();
    const { valid, errors } = await checker.validate(JSON.parse(documented.text));
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(checker.version).toBe('3.1');
  });

  it('gives every parameter an example that is answered', async () => {
    for (const endpoint of all) {
      for (const [name, schema] of parametersOf(endpoint)) {
        // A proof is of a log, and from one checkpoint to another: its parameters go together, and sizes are those there are.
        if (name === 'cursor' || (endpoint.shape === 'status' && name !== 'log')) continue;
        const example = exampleOf(schema);
        expect(example, name).not.toBeNull();
        const got = await house.ask(
          `${pathOf(endpoint, idsOf(endpoint).sealed)}?${name}=${encodeURIComponent(example ?? '')}`,
        );
        expectAnswer(endpoint, got);
      }
    }
  });
});

describe.each(all)('$id', (endpoint) => {
  const path = (id = idsOf(endpoint).sealed) => pathOf(endpoint, id);
  const schemas = new Map<string, ParameterSchema>(parametersOf(endpoint));
  const takes = ({ name, wire }: WireParameter) => accepts(schemas.get(name) ?? {}, decoded(wire));

  /** 200, or a 400 that names what is wrong; what a schema refuses is refused, all of it and nothing else. */
  function expectJudged(got: Told, parameters: readonly WireParameter[]): void {
    if (got.status === 200) {
      expectAnswer(endpoint, got);
      expect(
        parameters.filter((one) => !takes(one)),
        got.asked,
      ).toEqual([]);
      return;
    }
    const wrong = parameters.filter((one) => !takes(one)).map(({ name }) => name);
    const complained = complainedOf(got);
    if (wrong.length > 0) expect(complained.toSorted(), got.asked).toEqual(wrong.toSorted());
    // What a schema cannot say: a day that no month has, somebody else's cursor, two that do not go together.
    else
      for (const name of complained)
        expect(
          [
            'at',
            'cursor',
            // This server makes no links.
            'link',
            'order',
            'occurred_after',
            'occurred_before',
            'recorded_after',
            'recorded_before',
            ...OF_PROOFS,
          ],
          got.asked,
        ).toContain(name);
  }

  it('judges every parameter alone as its schema does', async () => {
    for (const [name, schema] of schemas) {
      await forAll(
        wireValue(schema).map((wire) => ({ name, wire })),
        async (one) => expectJudged(await house.ask(`${path()}?${queryOf([one])}`), [one]),
        BATCHES_EACH,
      );
    }
  });

  it('judges several parameters together as their schemas do', async () => {
    await forAll(wireQuery(endpoint), async (some) =>
      expectJudged(await house.ask(`${path()}?${queryOf(some)}`), some),
    );
  });

  it('refuses a parameter it does not name, by its name', async () => {
    await forAll(strangeName(endpoint), async (name) => {
      const got = await house.ask(`${path()}?${encodeURIComponent(name)}=1`);
      expect(complainedOf(got), got.asked).toEqual([/^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : 'query']);
    });
  });

  it('refuses a parameter that stands twice, by its name, whatever it says', async () => {
    if (schemas.size === 0) return;
    const twice = fc
      .constantFrom(...schemas)
      .chain(([name, schema]) =>
        fc.tuple(wireValue(schema), wireValue(schema)).map((wires) => wires.map((wire) => ({ name, wire }))),
      );
    await forAll(twice, async (some) => {
      const got = await house.ask(`${path()}?${queryOf(some)}`);
      expect(complainedOf(got)).toContain(some[0]?.name);
    });
  });

  it('answers a query of any other shape, and headers of any kind, with 200, 304 or a problem', async () => {
    await forAll(fc.tuple(rawQuery, oddHeaders), async ([query, headers]) => {
      const got = await house.ask(`${path()}?${query}`, { headers });
      if (got.status >= 400) expect(['invalid_parameter']).toContain(problemCode(got));
      else expect([200, 304], got.asked).toContain(got.status);
    });
  });

  it('answers for every kind of run there is', async () => {
    const { sealed, open, tampered } = idsOf(endpoint);
    for (const id of [sealed, open]) expectAnswer(endpoint, await house.ask(path(id)));
    const got = await house.ask(path(tampered));
    if (endpoint.params.length > 0 && endpoint.shape === 'record') {
      expect(problemCode(got)).toBe('evidence_compromised');
      expect(got.json.leaf).toMatch(/^[A-Za-z0-9+/]+=*$/);
    }
  });

  it('refuses nobody’s read, and one without the permission, before it looks at anything else', async () => {
    for (const query of ['', '?nope=1', '?limit=x']) {
      for (const id of [idsOf(endpoint).sealed, newTrace(), '%00']) {
        expect(problemCode(await house.ask(path(id) + query, { key: null }))).toBe('not_authenticated');
        expect(problemCode(await house.ask(path(id) + query, { key: house.mine.ingest }))).toBe('permission_denied');
      }
    }
  });

  it('answers 405 with what is allowed to every other verb HTTP has', async () => {
    // CONNECT is for proxies and never reaches a route.
    for (const method of METHODS.filter((m) => !['GET', 'HEAD', 'CONNECT'].includes(m))) {
      const got = await house.ask(path(), { method });
      expect(problemCode(got), method).toBe('method_not_allowed');
      expect(got.headers.allow).toBe('GET, HEAD');
    }
  });

  it('answers HEAD as GET, without a body: an answer, its lines, its 304 and its refusals', async () => {
    const etag = (await house.ask(path())).headers.etag;
    // Each request is one less of those that a minute allows.
    const varied = ['date', 'x-request-id', 'keep-alive', 'transfer-encoding', 'ratelimit'];
    // Reading is one more record of those that an auditor may read, and of how things are now.
    if (endpoint.permission === 'logs.audit') varied.push('sworn-log-sizes');
    if (endpoint.shape === 'status' || grows(endpoint)) varied.push('content-length', 'content-encoding');
    const kept = ({ status, headers }: Told) => [
      status,
      Object.entries(headers)
        .filter(([name]) => !varied.includes(name))
        .toSorted(),
    ];
    for (const [query, headers] of [
      ['', {}],
      ['?nope=1', {}],
      ['', { accept: 'application/x-ndjson' }],
      ['', { 'accept-encoding': 'gzip' }],
      ['', { 'if-none-match': etag ?? '*' }],
    ] as const) {
      const whole = await house.ask(path() + query, { headers });
      const head = await house.ask(path() + query, { headers, method: 'HEAD' });
      expect(kept(head), `${query} ${JSON.stringify(headers)}`).toEqual(kept(whole));
      expect(head.text).toBe('');
    }
  });

  it('says of every record where it stands, who owns it and when it was recorded, the same each time it is asked', async () => {
    const fixed = `${path()}?${fixedOf(endpoint)}`;
    const [first, second] = [await house.ask(fixed), await house.ask(fixed)];
    // How things are now changes with every read, which leaves a record.
    if (grows(endpoint)) expect(second.json.items).toEqual(first.json.items);
    else if (endpoint.shape !== 'status') expect(second.json).toEqual(first.json);
    const { metadata } = first.json;
    expect(metadata.tenant_id).toBe(house.mine.id);
    expect(Date.parse(metadata.recorded_at)).toBeLessThan(Date.now());
    const items = (first.json[ITEMS[endpoint.id as keyof typeof ITEMS] ?? ''] ?? []) as Record<string, unknown>[];
    if (endpoint.shape === 'list' || endpoint.shape === 'long') expect(items.length).toBeGreaterThan(0);
    for (const item of items.filter((one) => one['compromised'] !== true)) {
      const own = (item['metadata'] ?? item) as Record<string, unknown>;
      expect(own).toMatchObject({ checksum: expect.any(String), recorded_at: expect.any(String) });
      if (item['metadata'] !== undefined)
        expect(own['tenant_id']).toBe(item['scope'] === 'PLATFORM' ? 'platform' : house.mine.id);
      else expect(item['leaf_index']).toEqual(expect.any(Number));
    }
  });

  it('has an example in the documents that is still how it answers', async () => {
    const got = await house.ask(`${path()}${exampleQuery(endpoint)}`);
    expectAnswer(endpoint, got);
    const example = exampleText(endpoint, got);
    expectValid(isAnswer.get(endpoint.id) as ValidateFunction, JSON.parse(example).answer, exampleFile(endpoint));
    await expect(example, `${RECORD_EXAMPLES} && npm run generate -w @sworn/contract`).toMatchFileSnapshot(
      exampleFile(endpoint),
    );
  });

  it('filters by every member of its items that has a parameter as somebody would who had them all', async () => {
    const member = ITEMS[endpoint.id as keyof typeof ITEMS];
    if (member === undefined) return;
    type Item = Readonly<Record<string, unknown>>;
    const crawl = async (query: string): Promise<readonly Item[]> => {
      const asked = `${path()}?${fixedOf(endpoint)}&${query}`;
      const lines = (await house.ask(asked, { headers: { accept: 'application/x-ndjson' } })).text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Item);
      // Figures of an open run are those of its steps so far; it is found by what its OPENED leaf says.
      return lines.filter(
        (item) => item['provisional'] !== true && item['compromised'] !== true && item['complete'] !== true,
      );
    };
    const whole = await crawl('');
    for (const name of schemas.keys()) {
      const values = new Set(whole.map((item) => item[name]).filter((value) => value !== null && value !== undefined));
      for (const value of values) {
        const found = await crawl(`${name}=${encodeURIComponent(String(value))}`);
        expect(found, `${name}=${String(value)}`).toEqual(whole.filter((item) => item[name] === value));
      }
    }
  });
});

describe.each(all.filter((e) => e.params.length > 0))('$id, by id,', (endpoint) => {
  it('knows no record under an id of any other shape, and says so the same way', async () => {
    await forAll(wirePathId, async (id) => {
      const got = await house.ask(pathOf(endpoint, id));
      if (got.status === 200) return expectAnswer(endpoint, got);
      expect(problemCode(got)).toBe('not_found');
    });
  });

  it('answers 405 to a verb that changes things under such an id too, and 421 for another host', async () => {
    for (const id of ['%zz', '%FF', 'a'.repeat(8_000), '..']) {
      const got = await house.ask(pathOf(endpoint, id), { method: 'DELETE' });
      expect(problemCode(got)).toBe('method_not_allowed');
      expect(got.headers.allow).toBe('GET, HEAD');
      const other = await house.ask(pathOf(endpoint, id), { headers: { host: 'evil.example' } });
      expect(problemCode(other)).toBe('misdirected');
    }
  });

  it('knows a record under its id however that is percent-encoded', async () => {
    const { sealed } = idsOf(endpoint);
    const encoded = sealed.replaceAll(/./g, (c) => `%${c.charCodeAt(0).toString(16)}`);
    expectAnswer(endpoint, await house.ask(pathOf(endpoint, encoded)));
    expect(PATH_ID.test(sealed)).toBe(true);
  });

  it('tells another tenant’s record from one that never was in nothing, and takes about as long', async () => {
    const { never, theirs: other } = idsOf(endpoint);
    const [theirs, nobodys]: [Told[], Told[]] = [[], []];
    const look = async (id: string, into: Told[]) => into.push(await house.ask(pathOf(endpoint, id)));
    for (let n = 0; n < 150; n++) {
      // In either order, so that what the machine does meanwhile falls on both alike.
      const pair = [() => look(other, theirs), () => look(never, nobodys)];
      for (const one of n % 2 === 0 ? pair : pair.toReversed()) await one();
    }
    const masked = ({ text, json, headers, status }: Told) => {
      const { date: _, 'x-request-id': __, ...others } = headers;
      return JSON.stringify([status, text.replace(json.instance, ''), others]);
    };
    expect(new Set([...theirs, ...nobodys].map(masked)).size).toBe(1);
    const report = compareTimes(theirs, nobodys);
    console.info(
      `${endpoint.id}: another tenant's ${report.theirs} ms, never existing ${report.nobodys} ms (medians); told apart by time ${report.apart.toFixed(2)}`,
    );
    // Coarse, and of ranks instead of milliseconds: a machine that is busy with other things slows both alike, and by chance alone 150 of
    // each come to 0.5 ± 0.03. One more round trip to the database for one of them would come near 0 or 1.
    expect(report.apart).toBeGreaterThan(0.25);
    expect(report.apart).toBeLessThan(0.75);
  });
});

/** Medians, and how often the longer of two is theirs: 0.5 is a coin. */
function compareTimes(theirs: readonly Told[], nobodys: readonly Told[]) {
  const times = (told: readonly Told[]) => told.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const median = (sorted: readonly number[]) => (sorted[sorted.length >> 1] ?? 0).toFixed(2);
  const [a, b] = [times(theirs), times(nobodys)];
  const apart = a.reduce((sum, x) => sum + b.filter((y) => x > y).length, 0) / (a.length * b.length);
  return { theirs: median(a), nobodys: median(b), apart };
}

describe.each(all.filter((e) => ITEMS[e.id as keyof typeof ITEMS] !== undefined))('$id, in lines,', (endpoint) => {
  const items = ITEMS[endpoint.id as keyof typeof ITEMS] ?? '';
  const lines = async (query = '') => {
    const got = await house.ask(`${pathOf(endpoint, idsOf(endpoint).sealed)}?${fixedOf(endpoint)}&${query}`, {
      headers: { accept: 'application/x-ndjson' },
    });
    expect(got.status, got.text).toBe(200);
    expect(got.headers['content-type']).toBe('application/x-ndjson');
    expect(got.text.endsWith('\n')).toBe(true);
    return got.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };

  it('says every item in a line of its own, as the schema of its items says, and that it is complete', async () => {
    const isItem = ajv.compile(
      (plain(endpoint.response) as { properties: Record<string, { items: object }> }).properties[items]?.items ?? false,
    );
    for (const query of ['', 'limit=1']) {
      const told = await lines(query);
      expect(told.pop()).toEqual({ complete: true, count: told.length });
      expect(told.length).toBeGreaterThan(1);
      for (const item of told) expectValid(isItem, item, endpoint.id);
    }
  });

  it('says the same as its pages, one after the other', async () => {
    const paged: unknown[] = [];
    let cursor = '';
    do {
      const got = await house.ask(`${pathOf(endpoint, idsOf(endpoint).sealed)}?${fixedOf(endpoint)}&limit=7${cursor}`);
      expectAnswer(endpoint, got);
      paged.push(...got.json[items]);
      cursor = got.json.has_more ? `&cursor=${got.json.next_cursor}` : '';
    } while (cursor !== '');
    expect((await lines()).slice(0, -1)).toEqual(paged);
  });

  it('takes no cursor but its own: of another tenant, another query, another endpoint, or changed by a character', async () => {
    const ids = idsOf(endpoint);
    const path = pathOf(endpoint, ids.sealed);
    const { next_cursor: cursor } = (await house.ask(`${path}?limit=1`)).json as { next_cursor: string };
    expectAnswer(endpoint, await house.ask(`${path}?limit=2&cursor=${cursor}`));
    const refused = async (there: string, asking = {}) =>
      expect(complainedOf(await house.ask(there, asking)), there).toEqual(['cursor']);
    const theirPath = pathOf(endpoint, ids.theirs);
    await refused(`${theirPath}?cursor=${cursor}`, { key: house.theirs.auditor });
    for (const [name, schema] of parametersOf(endpoint)) {
      // How much of it, and written how, is no other question.
      if (['cursor', 'limit', 'include_total', 'order', 'format'].includes(name)) continue;
      await refused(`${path}?${name}=${encodeURIComponent(exampleOf(schema) ?? '')}&cursor=${cursor}`);
    }
    for (const other of all.filter((e) => e.id !== endpoint.id && ITEMS[e.id as keyof typeof ITEMS] !== undefined)) {
      await refused(`${pathOf(other, idsOf(other).sealed)}?cursor=${cursor}`);
    }
    if (endpoint.params.length > 0) await refused(`${pathOf(endpoint, ids.open)}?cursor=${cursor}`);
    const changed = fc
      .tuple(fc.nat(cursor.length - 1), fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '_'))
      .map(([at, letter]) => cursor.slice(0, at) + letter + cursor.slice(at + 1));
    const cut = fc.integer({ min: 16, max: cursor.length - 1 }).map((length) => cursor.slice(0, length));
    const extended = fc.constantFrom('A', 'AAAA', '-_', cursor).map((more) => cursor + more);
    await forAll(fc.oneof(changed, cut, extended), async (tampered) => {
      // The last character of base64url may hold bits that say nothing.
      if (Buffer.from(tampered, 'base64url').equals(Buffer.from(cursor, 'base64url'))) return;
      await refused(`${path}?cursor=${tampered}`);
    });
  });
});

describe.each(all.filter((e) => e.shape === 'record' || e.shape === 'long'))('$id, with its ETag,', (endpoint) => {
  const path = () => pathOf(endpoint, idsOf(endpoint).sealed);

  it('has the same one while nothing changes, another for each coding, and none for what is still open', async () => {
    const tag = async (headers = {}) => (await house.ask(path(), { headers })).headers.etag;
    const first = await tag();
    expect(first).toMatch(/^"[!#-~]+"$/);
    expect(await tag()).toBe(first);
    expect(await tag({ 'if-none-match': '"another"' })).toBe(first);
    const coded = await tag({ 'accept-encoding': 'br' });
    expect(coded).not.toBe(first);
    if (endpoint.shape === 'long')
      expect((await house.ask(pathOf(endpoint, idsOf(endpoint).open))).headers.etag).toBeUndefined();
  });

  it('answers 304, with the tag and without a body, to whoever has it, after authentication and never before', async () => {
    const etag = String((await house.ask(path())).headers.etag);
    for (const held of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const got = await house.ask(path(), { headers: { 'if-none-match': held } });
      expect(got.status, held).toBe(304);
      expect(got.headers.etag).toBe(etag);
      expect(got.text).toBe('');
      expect(got.headers['content-length'] ?? '0').toBe('0');
    }
    const headers = { 'if-none-match': etag };
    expect(problemCode(await house.ask(path(), { headers, key: null }))).toBe('not_authenticated');
    expect(problemCode(await house.ask(path(), { headers, key: house.theirs.auditor }))).toBe('not_found');
    expect(problemCode(await house.ask(`${path()}?nope=1`, { headers }))).toBe('invalid_parameter');
  });
});

describe('what is hardly HTTP', () => {
  const target = (text: string) =>
    `GET ${text} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${house.mine.reader}\r\nconnection: close\r\n\r\n`;
  it.each([
    ['a NUL in the target', () => target(`${FACADE_PREFIX}/llm-runs?run_id=\0`)],
    ['control characters in the target', () => target(`${FACADE_PREFIX}/llm-runs?run_id=\u0001\u001f\u007f`)],
    ['bytes that are no ASCII in the target', () => target(`${FACADE_PREFIX}/llm-runs?run_id=\u00e4\u00ff`)],
    ['a target of 40 KiB', () => target(`${FACADE_PREFIX}/llm-runs?run_id=${'a'.repeat(40_000)}`)],
    ['a header of 40 KiB', () => target('/').replace('\r\n\r\n', `\r\nx-more: ${'a'.repeat(40_000)}\r\n\r\n`)],
    ['a target that is a whole URL', () => target(`http://evil.example${FACADE_PREFIX}/llm-runs`)],
    ['an asterisk', () => target('*')],
    ['no target', () => target('')],
    ['two slashes', () => target(`/${FACADE_PREFIX}/llm-runs`)],
    ['a fragment', () => target(`${FACADE_PREFIX}/llm-runs#x`)],
    ['a verb nobody knows', () => target('/').replace('GET', 'FROBNICATE')],
    ['a verb in lower case', () => target('/').replace('GET', 'get')],
    ['HTTP/0.9', () => 'GET /\r\n\r\n'],
    ['no host', () => target(`${FACADE_PREFIX}/llm-runs`).replace('host: localhost\r\n', '')],
    [
      'two lengths',
      () =>
        target(`${FACADE_PREFIX}/llm-runs`).replace('\r\n\r\n', '\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
    ],
    [
      'a length and chunks',
      () =>
        target(`${FACADE_PREFIX}/llm-runs`).replace(
          '\r\n\r\n',
          '\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
        ),
    ],
    ['a header that is none', () => target('/').replace('\r\n\r\n', '\r\nno colon here\r\n\r\n')],
    ['an expectation', () => target('/').replace('\r\n\r\n', '\r\nexpect: the-unexpected\r\n\r\n')],
    ['noise', () => '\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003'],
  ])('is answered with a problem and never a 5xx: %s', async (_what, bytes) => {
    const answer = await house.raw(bytes());
    const [, status, body] = /^HTTP\/1\.1 (\d{3}) [^]*?\r\n\r\n([^]*)$/.exec(answer) ?? [];
    expect(Number(status), answer.slice(0, 300)).toBeGreaterThanOrEqual(400);
    expect(Number(status), answer.slice(0, 300)).toBeLessThan(500);
    expect(answer.toLowerCase()).toContain('\r\ncontent-type: application/problem+json\r\n');
    expectValid(isProblem, JSON.parse(body ?? ''), answer.slice(0, 200));
  });
});

describe('every access of this suite', () => {
  it('has its record or is counted in one, and never in one for a caller it does not name', async () => {
    await house.stop();
    const records = new Map<string, Readonly<Record<string, unknown>>>();
    let counted = 0;
    for (const id of [house.mine.id, house.theirs.id, house.deployment.platformTenant]) {
      for (const record of await house.accessRecords(id)) {
        if (record['kind'] === 'READ') records.set(String(record['request_id']), record);
        if (record['kind'] === 'READ_FOLDED') counted += Number(record['count']);
      }
    }
    // What was no request to the parser names nobody and nothing.
    const isRead = ({ json }: Told) => json?.errors?.[0]?.parameter !== 'request';
    const under = house.told.filter((told) => told.asked.includes(FACADE_PREFIX) && isRead(told));
    const recordOf = ({ headers }: Told) => records.get(String(headers['x-request-id']));
    // What shows no content may be folded; the refusal of a compromised record shows its bytes.
    const mayBeCounted = ({ status }: Told) => status === 304 || (status >= 400 && status !== 409);
    const wrong = under.filter((told) => (recordOf(told)?.['status'] ?? told.status) !== told.status);
    const missing = under.filter((told) => recordOf(told) === undefined);
    const shown = (some: readonly Told[]) => some.map(({ asked, status }) => `${status} ${asked}`.slice(0, 120));
    expect(shown(wrong)).toEqual([]);
    expect(shown(missing.filter((told) => !mayBeCounted(told)))).toEqual([]);
    expect(missing.length).toBeGreaterThan(0);
    expect(missing.length).toBeLessThanOrEqual(counted);
    expect(under.length).toBeGreaterThan(1_000);
    console.info(
      `${house.told.length} requests, ${under.length} under the prefix, ${records.size} access records, ${counted} counted`,
    );
  });
});
