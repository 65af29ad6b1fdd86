import { describe, expect, test } from 'vitest';
import { tracesFromJson, tracesToJson } from '@sworn/server';
import { recordedTraces } from '../src/demo/captures.js';
import { extentOf, renew } from '../src/demo/refresh.js';

const request = {
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: [
            {
              traceId: 'AA'.repeat(16),
              spanId: 'bb'.repeat(8),
              parentSpanId: '',
              startTimeUnixNano: '1000000000000000001',
              endTimeUnixNano: '1000000000000000009',
              attributes: [{ key: 'traceId', value: { stringValue: 'aa'.repeat(16) } }],
              events: [{ timeUnixNano: '1000000000000000005' }, { timeUnixNano: '0' }],
              links: [{ traceId: 'aa'.repeat(16), spanId: 'cc'.repeat(8) }],
            },
          ],
        },
      ],
    },
  ],
};

describe('a recording made fresh', () => {
  const fresh = renew(request, { salt: Buffer.from('salt'), shiftNs: 7n });
  const span = (fresh as typeof request).resourceSpans[0]!.scopeSpans[0]!.spans[0]!;

  test('keeps nanoseconds relative to each other, and times that were not set unset', () => {
    expect([span.startTimeUnixNano, span.endTimeUnixNano]).toEqual(['1000000000000000008', '1000000000000000016']);
    expect(span.events).toEqual([{ timeUnixNano: '1000000000000000012' }, { timeUnixNano: '0' }]);
  });

  test('has new ids, the same ones where they were the same, and leaves what the producer wrote alone', () => {
    expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span.traceId).not.toBe('aa'.repeat(16));
    expect(span.links[0]!.traceId).toBe(span.traceId);
    expect(span.parentSpanId).toBe('');
    expect(span.attributes).toEqual(request.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.attributes);
  });

  test('shares no id with another renewal', () => {
    const other = renew(request, { salt: Buffer.from('other'), shiftNs: 7n });
    expect([...extentOf(other).traceIds]).not.toEqual([...extentOf(fresh).traceIds]);
  });
});

describe('every recording of the demo', () => {
  test.each(recordedTraces().map((recording) => [recording.client, recording] as const))(
    '%s is still a request no span of which is rejected',
    (_, recording) => {
      const object =
        recording.encoding === 'json'
          ? JSON.parse(Buffer.from(recording.body).toString())
          : tracesToJson(recording.body);
      const fresh = renew(object, { salt: Buffer.from('salt'), shiftNs: 1n });
      const { bytes, rejections } = tracesFromJson(Buffer.from(JSON.stringify(fresh)));
      expect(rejections.total).toBe(0);
      expect(extentOf(tracesToJson(bytes))).toEqual(extentOf(fresh));
      expect(extentOf(fresh).traceIds.size).toBe(extentOf(object).traceIds.size);
      expect(extentOf(fresh).endNs).toBe(extentOf(object).endNs + 1n);
    },
  );
});
