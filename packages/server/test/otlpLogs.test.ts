import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DecodedLogs } from '../src/otlp/decoded.js';
import { MAX_PARTS_PER_REQUEST } from '../src/otlp/envelope.js';
import { decodeLogsJson } from '../src/otlp/json.js';
import { readLogRecord } from '../src/otlp/logRecord.js';
import { eventNameOf } from '../src/otlp/map/eventName.js';
import { severityOf } from '../src/otlp/map/severity.js';
import { compileVocabulary, VocabularyRefused } from '../src/otlp/map/vocabulary.js';
import { TooManyParts, UndecodableRequest } from '../src/otlp/rejections.js';
import { readResource, readScope } from '../src/otlp/span.js';
import { decodeLogs } from '../src/otlp/wire.js';
import { VOCABULARY } from './mapper.js';
import { any, keyValue, message, text, type WireMessage } from './otlpBytes.js';
import { LOG_CAPTURES } from './otlpCaptures.js';
import { anyLogsRequest, oracleBytes } from './otlpLogOracle.js';

const request = (records: readonly Uint8Array[], resource: WireMessage = [], scope: WireMessage = []) =>
  message([[1, message([...resource, [2, message([...scope, ...records.map((r) => [2, r] as const)])]])]]);
const record = (...fields: WireMessage) => message([[3, text('INFO')], ...fields]);
const hexOf = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('hex');
const recordsOf = (json: unknown): unknown[] =>
  (json as { resourceLogs: { scopeLogs: { logRecords: unknown[] }[] }[] }).resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords),
  );

describe('the reader of log records', () => {
  test.each(LOG_CAPTURES)('reads every record that $client sent ($encoding)', ({ encoding, body }) => {
    const { records, rejected } = encoding === 'json' ? decodeLogsJson(body) : decodeLogs(body);
    expect([rejected, records.length > 0]).toEqual([0, true]);
    for (const { bytes } of records) expect(readLogRecord(bytes).timeNs).toBeGreaterThan(0n);
  });

  test('hands over of any request every record as its own bytes, from protobuf and from JSON alike', () => {
    fc.assert(
      fc.property(anyLogsRequest, (sent) => {
        const expected = recordsOf(sent).map((one) => hexOf(oracleBytes('LogRecord', one)));
        const wire = decodeLogs(oracleBytes('ExportLogsServiceRequest', sent));
        const json = decodeLogsJson(Buffer.from(JSON.stringify(sent)));
        for (const decoded of [wire, json]) {
          expect(decoded).toMatchObject({ rejected: 0, message: null });
          expect(decoded.records.map(({ bytes }) => hexOf(bytes))).toEqual(expected);
        }
        recordsOf(sent).forEach((one, at) => {
          const { traceId = '', spanId = '' } = one as { traceId?: string; spanId?: string };
          const isId = (id: string, length: number) => id.length === length && !/^0*$/.test(id);
          const trace = isId(traceId, 32) ? traceId : '';
          const slice = wire.records[at];
          expect(hexOf(slice?.traceId)).toBe(trace);
          expect(hexOf(slice?.spanId)).toBe(trace !== '' && isId(spanId, 16) ? spanId : '');
        });
      }),
      { numRuns: 150 },
    );
  });

  test('loses nothing: what is not handed over is counted, or the whole request refused', () => {
    const good = request([record([5, any('one')]), record([9, Buffer.alloc(16, 1)])], [[3, text('s')]]);
    const mutated = fc
      .array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const copy = Buffer.from(good);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      });
    const total = (decode: (bytes: Uint8Array) => DecodedLogs) => (bytes: Uint8Array) => {
      try {
        const { records, rejected, message: said } = decode(bytes);
        expect(said === null).toBe(rejected === 0);
        for (const slice of records) {
          const view = readLogRecord(slice.bytes);
          eventNameOf(view);
          severityOf(view.severityNumber, view.severityText);
          readResource(slice.resource.bytes);
          readScope(slice.scope.bytes);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(UndecodableRequest);
      }
    };
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), total(decodeLogs)), { numRuns: 400 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json().map((json) => Buffer.from(json)),
          fc.uint8Array({ maxLength: 60 }),
          anyLogsRequest.map((sent) => Buffer.from(JSON.stringify(sent).slice(0, -3))),
        ),
        total(decodeLogsJson),
      ),
      { numRuns: 200 },
    );
  });

  test('counts a record that cannot be read, and keeps its neighbours and its scope', () => {
    const broken = record([3, Buffer.from([0xff, 0xfe])]);
    const decoded = decodeLogs(
      request([record([12, text('a')]), broken, record([12, text('b')])], [], [[3, text('u')]]),
    );
    expect(decoded).toMatchObject({
      rejected: 1,
      message: '1 log record rejected: a string is not valid UTF-8 (1)',
    });
    expect(decoded.records.map(({ bytes }) => readLogRecord(bytes).eventName)).toEqual(['a', 'b']);
    expect(readScope(decoded.records[0]?.scope.bytes ?? new Uint8Array()).schemaUrl).toBe('u');
  });

  test('counts the records of a resource that cannot be read', () => {
    const bad: WireMessage = [[1, message([[1, keyValue(Buffer.from([0xff]), any('v'))]])]];
    const body = Buffer.concat([request([record(), record()], bad), request([record()])]);
    expect(decodeLogs(body)).toMatchObject({ rejected: 2, records: { length: 1 } });
  });

  test('refuses what is no request, and more parts than its bound', () => {
    expect(() => decodeLogs(Buffer.from('hello'))).toThrow(UndecodableRequest);
    expect(() => decodeLogsJson(Buffer.from('[]'))).toThrow(UndecodableRequest);
    const groups = Buffer.alloc((MAX_PARTS_PER_REQUEST + 1) * 2);
    for (let at = 0; at < groups.length; at += 2) groups[at] = 0x0a;
    expect(() => decodeLogs(groups)).toThrow(TooManyParts);
    expect(decodeLogs(new Uint8Array())).toEqual({ records: [], rejected: 0, message: null });
  });

  test('makes the same resource of logs and of spans', () => {
    const resource: WireMessage = [[1, message([[1, keyValue('service.name', any('shop'))]])]];
    const [slice] = decodeLogs(request([record()], resource)).records;
    expect(readResource(slice?.resource.bytes ?? new Uint8Array()).attributes.text('service.name')).toBe('shop');
  });
});

describe('the name of an event', () => {
  const named = (...fields: WireMessage) => eventNameOf(readLogRecord(message(fields)));
  const attribute = (name: string) => [6, keyValue('event.name', any(name))] as const;

  test.each([
    ['the attribute before the field', [attribute('a'), [12, text('b')]], 'a'],
    ['the field', [[12, text('b')]], 'b'],
    ['never where in the source it was', [[12, text('event otel/src/events/log.rs:1225')]], null],
    [
      'the attribute behind such a place (Codex)',
      [attribute('codex.tool_decision'), [12, text('event a.rs:1')]],
      'codex.tool_decision',
    ],
    ['the body of Claude Code', [[5, any('claude_code.tool_decision')]], 'claude_code.tool_decision'],
    ['no other body', [[5, any('sworn.audit.note')]], null],
    [
      'no attribute that is not a text',
      [
        [6, keyValue('event.name', any(7))],
        [12, text('b')],
      ],
      'b',
    ],
    ['none', [], null],
  ] as [string, WireMessage, string | null][])('is %s', (_, fields, name) => {
    expect(named(...fields)).toBe(name);
  });

  test('is looked for in linear time', () => {
    const long = `event ${':1'.repeat(1_000_000)}x`;
    const start = performance.now();
    expect(named([12, text(long)])).toBe(long);
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});

describe('a severity', () => {
  test.each([
    [1, '', 'INFO'],
    [12, 'ERROR', 'INFO'],
    [13, '', 'WARN'],
    [16, '', 'WARN'],
    [17, '', 'CRITICAL'],
    [24, 'info', 'CRITICAL'],
    [0, '', 'INFO'],
    [0, 'Warning', 'WARN'],
    [0, 'ERROR2', 'CRITICAL'],
    [0, 'fatal', 'CRITICAL'],
    [0, 'errands', 'INFO'],
    [99, 'warn', 'WARN'],
    [-1, 'notice', 'INFO'],
  ] as const)('of number %i and text "%s" is %s', (number, said, band) => {
    expect(severityOf(number, said)).toBe(band);
  });
});

describe('a vocabulary', () => {
  const fields = Object.fromEntries(Object.entries(VOCABULARY.fields).map(([name, list]) => [name, [...list]]));
  const decisions = { ALLOW: ['yes'], DENY: ['no'], CONDITIONAL: [], PENDING: [] };
  const good = { version: 1, audit: [{ event: 'a.b', event_type: 'A_B' }], fields, people: [], decisions, system: [] };

  test('that comes with Sworn has the documented events', () => {
    expect([...VOCABULARY.audit.keys()]).toEqual([
      'sworn.audit.incident.linked',
      'sworn.audit.review',
      'sworn.audit.note',
      'sworn.audit.policy.published',
      ...['login', 'logout', 'login_failed', 'token_first_used', 'token_revoked', 'key_created', 'key_revoked'].map(
        (name) => `sworn.audit.identity.${name}`,
      ),
      ...['enrolled', 'verified', 'failed', 'removed'].map((name) => `sworn.audit.identity.mfa_${name}`),
      'sworn.audit.event',
    ]);
    expect(VOCABULARY.system.get('sworn.system.oom')).toEqual({ eventType: 'OOM', causedBy: 'SYSTEM' });
    expect(VOCABULARY.decisions.get('approved')).toBe('ALLOW');
  });

  test.each([
    ['is nothing', null, ['']],
    ['is of another version', { ...good, version: 2 }, ['version']],
    ['has an unknown member', { ...good, more: 1 }, ['more']],
    ['lacks one', { ...good, system: undefined }, ['system']],
    ['names an event twice', { ...good, system: [{ event: 'a.b', event_type: 'OOM' }] }, ['system.0.event']],
    ['names no event', { ...good, audit: [{ event: 'free text!', event_type: 'A' }] }, ['audit.0.event']],
    ['has a type in small letters', { ...good, audit: [{ event: 'x', event_type: 'note' }] }, ['audit.0.event_type']],
    [
      'has a system type of its own',
      { ...good, system: [{ event: 'x', event_type: 'ERASURE' }] },
      ['system.0.event_type'],
    ],
    [
      'has a category of its own',
      { ...good, audit: [{ event: 'x', event_type: 'A', category: 'B' }] },
      ['audit.0.category'],
    ],
    ['has one word for two decisions', { ...good, decisions: { ...decisions, DENY: ['YES'] } }, ['decisions.DENY']],
    ['asks for an attribute that is no name', { ...good, fields: { ...fields, action: ['\n'] } }, ['fields.action.0']],
  ])('that %s is refused, and says where', (_, content, places) => {
    let refused: unknown;
    try {
      compileVocabulary(content);
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(VocabularyRefused);
    expect((refused as VocabularyRefused).mistakes.map(({ path }) => path.join('.'))).toEqual(
      expect.arrayContaining(places),
    );
  });
});
