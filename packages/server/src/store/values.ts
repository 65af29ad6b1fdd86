import pg from 'pg';

const INT8 = 20;
const INT8_ARRAY = 1016;
const DATE = 1082;
const TIMESTAMP = 1114;
const TIMESTAMPTZ = 1184;
const TIMESTAMPTZ_ARRAY = 1185;
const JSON_OID = 114;
const JSONB = 3802;

/** How answers are read: bigint as number where that is exact, times as RFC 3339 text with microseconds, JSON as its text. `Date` never touches a time. */
export const valueParsers: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
    return OWN.get(oid) ?? pg.types.getTypeParser(oid, format);
  },
};

const asText = (text: string): string => text;

const OWN = new Map<number, (text: string) => unknown>([
  [INT8, parseInteger],
  [INT8_ARRAY, (text) => parseArray(text, parseInteger)],
  [TIMESTAMPTZ, parseTimestamp],
  [TIMESTAMPTZ_ARRAY, (text) => parseArray(text, parseTimestamp)],
  [TIMESTAMP, asText],
  [DATE, asText],
  [JSON_OID, asText],
  [JSONB, asText],
]);

/** Every bigint of the schema fits 2^53−1; one that does not is a bug, and no reason to lose digits in silence. */
function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error('a bigint beyond 2^53-1 came from the database');
  return value;
}

/** `2026-01-02 03:04:05.6+00` → `2026-01-02T03:04:05.600000Z`. The session's time zone is UTC, so the offset is always +00. */
function parseTimestamp(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/.exec(text);
  if (match === null) throw new Error(`not a time of ours: ${text}`);
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`;
}

/** Flat array literals of numbers or times: no element holds a comma, a quote inside or a brace. */
function parseArray<T>(text: string, parse: (element: string) => T): (T | null)[] {
  if (text === '{}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .map((element) => (element === 'NULL' ? null : parse(element.replaceAll('"', ''))));
}
