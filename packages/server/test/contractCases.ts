import { type Endpoint, PATH_ID } from '@sworn/contract';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';

/** What a parameter's schema may say; whatever else it says is not generated from. */
export interface ParameterSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
}

/** A parameter as it goes over the wire: name and value percent-encoded, or not. */
export interface WireParameter {
  readonly name: string;
  readonly wire: string;
}

/** Parameters of an endpoint's query, by name. */
export function parametersOf(endpoint: Endpoint): readonly (readonly [string, ParameterSchema])[] {
  return Object.entries(endpoint.query.properties) as [string, ParameterSchema][];
}

/** The value a description gives as an example, after its last `e.g.`. */
export function exampleOf({ description = '' }: ParameterSchema): string | null {
  const shown = description.slice(description.toLowerCase().lastIndexOf('e.g.') + 4);
  return /^ (.+?)(?:,? or .*|, .*|\. .*|\.)?$/.exec(shown)?.[1] ?? null;
}

const ajv = new Ajv2020({ strict: false });

/** Whether a parameter's schema takes this text: the oracle, by another validator than the server's. Numbers in plain decimal only (CONTRACT.md 1). */
export function accepts(schema: ParameterSchema, text: string): boolean {
  if (schema.type === 'integer') return /^(0|[1-9]\d{0,14})$/.test(text) && ajv.validate(schema, Number(text));
  if (schema.type === 'boolean') return text === 'true' || text === 'false';
  return ajv.validate(schema, text);
}

/** What stands on the wire, as a URL says it is read. */
export function decoded(wire: string): string {
  return new URLSearchParams(`x=${wire}`).get('x') ?? '';
}

/** Texts that the schema takes, its bounds among them. */
function validText(schema: ParameterSchema): fc.Arbitrary<string> {
  const { type, enum: words, pattern, minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
  if (words !== undefined) return fc.constantFrom(...words);
  if (type === 'boolean') return fc.constantFrom('true', 'false');
  if (type === 'integer') {
    const bounds = [minimum, minimum + 1, maximum - 1, maximum].filter((n) => n >= minimum && n <= maximum);
    return fc.oneof(fc.constantFrom(...bounds), fc.integer({ min: minimum, max: maximum })).map(String);
  }
  if (pattern === undefined) return anyText;
  // Lookaheads are nothing that can be generated from; what they exclude is filtered.
  const shape = fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?!(?:[^()]|\([^()]*\))*\)/g, '')));
  return fc.oneof(shape, longText).filter((text) => accepts(schema, text));
}

const anyText = fc.string({ unit: 'binary', maxLength: 40 });
/** At and beyond the 256 characters of a text filter, of one and of two UTF-16 units. */
const longText = fc
  .tuple(fc.constantFrom('a', 'ä', '💬', ' '), fc.constantFrom(1, 128, 255, 256, 257))
  .map(([character, length]) => character.repeat(length));

/** What has broken parsers of parameters before. */
// biome-ignore format: a line a kind
const HOSTILE = [
  '', ' ', '\0', 'a\0b', '\u007f', '\r\n', '\t', '\u0085', '\u2028', '\ufeff', '\u202e', '\ufffd', '\uffff', '\u{10ffff}',
  'null', 'undefined', 'NaN', 'Infinity', '-0', '0', '00', '01', '+1', '-1', '1.0', '1e1', '0x10', '1 ', ' 1', '1,2', '１', '١',
  '9'.repeat(15), '9'.repeat(16), '9'.repeat(400), '9007199254740993', '2147483648', '9223372036854775808',
  'TRUE', 'True', 'false ', 'yes', '[]', '{}', '{"a":1}', '__proto__', 'constructor', 'toString', 'hasOwnProperty',
  "' or '1'='1", "';drop table sworn.leaf;--", '$1', '%', '%s', '%00', '%25', '\\', '../../etc/passwd', '${jndi:ldap://x}', '<script>',
  '2026-02-29', '2024-02-29', '2026-02-30', '2026-13-01', '2026-00-10', '2026-01-00', '0000-01-01', '0001-01-01', '9999-12-31', '9999-12-31T23:59:60Z',
  '2026-01-31T24:00:00Z', '2026-01-31T23:59:59.999999Z', '2026-01-31T00:00:00+00:00', '2026-01-31t00:00:00z', '2026-01-31 00:00:00Z', '-4713-01-01', '294277-01-01',
  `tok_${'f'.repeat(32)}`, 'tok_', `tok_${'g'.repeat(32)}`, '0'.repeat(32), 'f'.repeat(32), 'F'.repeat(32), '0'.repeat(16), 'A'.repeat(24), 'a'.repeat(2_049), 'a'.repeat(4_000),
];

/** Texts that no schema was thinking of, and what lies just outside of this one. */
function hostileText(schema: ParameterSchema): fc.Arbitrary<string> {
  const { enum: words = [], minimum, maximum } = schema;
  const beside = [
    ...words.flatMap((word) => [word.toLowerCase(), `${word} `, `${word}\0`, word.slice(1)]),
    ...(minimum === undefined ? [] : [String(minimum - 1)]),
    ...(maximum === undefined ? [] : [String(maximum + 1)]),
  ];
  return fc.oneof(fc.constantFrom(...HOSTILE, ...beside), anyText, longText);
}

/** Bytes that are no UTF-8, lone surrogates and broken percent signs among them. */
const wireBytes = fc.oneof(
  fc.constantFrom(
    '%ED%A0%80',
    '%ED%BF%BF',
    '%C0%80',
    '%FF%FE',
    '%F4%90%80%80',
    '%E2%82',
    '%',
    '%2',
    '%zz',
    '%u0041',
    '+',
    '%2B',
    '%%',
  ),
  fc
    .uint8Array({ minLength: 1, maxLength: 24 })
    .map((bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')),
);

/** A parameter's value on the wire, valid about half of the time. */
export function wireValue(schema: ParameterSchema): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 5, arbitrary: validText(schema).map(encodeURIComponent) },
    { weight: 4, arbitrary: hostileText(schema).map(encodeURIComponent) },
    { weight: 1, arbitrary: wireBytes },
  );
}

/** Up to five parameters of an endpoint, each once. */
export function wireQuery(endpoint: Endpoint): fc.Arbitrary<readonly WireParameter[]> {
  const parameters = parametersOf(endpoint);
  if (parameters.length === 0) return fc.constant([]);
  const one = fc
    .constantFrom(...parameters)
    .chain(([name, schema]) => wireValue(schema).map((wire) => ({ name, wire })));
  return fc.uniqueArray(one, { selector: ({ name }) => name, maxLength: 5 });
}

/** Names that no endpoint has: of any text, and known ones as they are not written. */
export function strangeName(endpoint: Endpoint): fc.Arbitrary<string> {
  const known = parametersOf(endpoint).map(([name]) => name);
  const names = known.length === 0 ? ['limit'] : known;
  const bent = fc
    .tuple(
      fc.constantFrom(...names),
      fc.constantFrom(
        (name: string) => name.toUpperCase(),
        (name: string) => name[0]?.toUpperCase() + name.slice(1),
        (name: string) => name.replaceAll('_', '-'),
        (name: string) => name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
        (name: string) => `${name}[]`,
        (name: string) => `${name}[0]`,
        (name: string) => ` ${name}`,
        (name: string) => `${name}\0`,
        (name: string) => `${name}.x`,
      ),
    )
    .map(([name, bend]) => bend(name));
  return fc
    .oneof(
      bent,
      anyText,
      fc.constantFrom(
        '__proto__',
        'constructor',
        'toString',
        'then',
        '',
        'x'.repeat(500),
        'tenant_id',
        'fields',
        'callback',
      ),
    )
    .filter((name) => !known.includes(name));
}

/** Whole query strings, of the characters that mean something in one. */
export const rawQuery = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        '&',
        '=',
        '?',
        ';',
        '%',
        '%00',
        '+',
        '#',
        '[',
        ']',
        'limit',
        'cursor',
        'kind',
        '1',
        '%C3%A4',
        '"',
        '/',
        '..',
        '\\',
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(
    '&'.repeat(3_000),
    '=&'.repeat(2_000),
    'a=1&'.repeat(1_500),
    'limit=1'.repeat(500),
    `x=${'%00'.repeat(2_000)}`,
  ),
);

/** Path parameters as they stand in a URL, of every shape. */
export const wirePathId = fc.oneof(
  fc.stringMatching(PATH_ID),
  anyText.map(encodeURIComponent),
  wireBytes,
  fc
    .array(
      fc.constantFrom(
        '.',
        '..',
        '%2e',
        '%2E%2e',
        '%2f',
        '%5c',
        '%252f',
        '%00',
        ';',
        ':',
        '@',
        'a',
        '%3f',
        '%23',
        '~',
        "'",
        '%20',
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc
    .array(fc.constantFrom('a', '..', '.', '', '%2e%2e', 'llm-runs'), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join('/')),
  fc.constantFrom(
    '',
    'a'.repeat(256),
    'a'.repeat(257),
    'a'.repeat(769),
    'a'.repeat(8_000),
    '%61'.repeat(256),
    '%61'.repeat(257),
    '0'.repeat(32),
  ),
);

/** Headers a read may carry, as clients and attackers write them. */
export const oddHeaders: fc.Arbitrary<Readonly<Record<string, string>>> = fc.record(
  {
    accept: fc.constantFrom(
      '',
      '*/*',
      'text/html',
      'application/json;q=0',
      'application/x-ndjson;q=0',
      ',,,',
      'application/x-ndjson',
      'x'.repeat(2_000),
    ),
    'accept-encoding': fc.constantFrom(
      '',
      'br;q=x',
      'gzip;q=-1',
      'br, gzip;q=0',
      '*',
      'identity;q=0',
      ';;;',
      'zstd',
      ','.repeat(500),
    ),
    'if-none-match': fc.constantFrom('*', '""', 'W/""', '"', ',,,', '"x"'.repeat(500), 'garbage'),
    'x-correlation-id': fc.constantFrom('', 'case-1', 'a b', 'x'.repeat(5_000), '../..'),
    'x-forwarded-for': fc.constantFrom('', '1.2.3.4', 'nonsense', '::1, '.repeat(200)),
    range: fc.constantFrom('bytes=0-1', 'bytes=9-1'),
    'if-match': fc.constantFrom('*', '"x"'),
    'if-modified-since': fc.constantFrom('Thu, 01 Jan 2099 00:00:00 GMT', 'never'),
    te: fc.constantFrom('trailers'),
    'x-http-method-override': fc.constantFrom('DELETE'),
    'user-agent': fc.constantFrom('', 'ü', 'x'.repeat(4_000)),
  },
  { requiredKeys: [] },
);
