import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../swornProcess.js';
import { SLOW_TEXTS } from './bombs.js';
import { bearer, buildStage, lineRequest, LOGS, newId, SECRET, spanRequest, type Stage } from './stage.js';

let stage: Stage;
/** Everything that the tenant of the attacker has. */
let auditor: readonly string[];

beforeAll(async () => {
  stage = await buildStage();
  auditor = bearer(stage.attacker.auditor);
});
afterAll(() => stage.close());

const read = async (path: string): Promise<any> => {
  const { status, text } = await stage.ask({ target: `${LOGS}${path}`, headers: auditor });
  return status === 404 ? null : JSON.parse(text);
};
/** The run of a trace, when it is sealed. */
const sealed = (trace: string): Promise<any> =>
  eventually(async () => {
    const { items } = await read(`/llm-runs?trace_id=${trace}`);
    return items[0] !== undefined && items[0].execution_status !== 'RUNNING' ? items[0] : null;
  });
const CHAT = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm' };

describe('a producer that speaks as if it were Sworn', () => {
  /** Leaves of the logs in which Sworn alone writes, but for records of reading and for what the server writes by itself meanwhile. */
  const ownLeaves = () =>
    stage.sql(
      `select tenant_id, log, kind, count(*)::int as n from sworn.leaf
        where (log like 'control%' or (log like 'system%' and tenant_id = $1)) and kind not in ('VERIFIED', 'TOKEN_FIRST_USED')
        group by 1, 2, 3 order by 1, 2, 3`,
      [stage.platform],
    );

  test('makes no key, no finding, no removal and no line of the platform, whatever it calls its events and itself', async () => {
    const before = await ownLeaves();
    const kinds = (await stage.sql(`select distinct kind from sworn.leaf`)).map(({ kind }) => String(kind));
    expect(kinds).toContain('KEY_CREATED');
    const names = kinds.flatMap((kind) => [
      kind,
      kind.toLowerCase(),
      `sworn.${kind.toLowerCase()}`,
      `sworn.control.${kind}`,
      `sworn.audit.${kind.toLowerCase()}`,
      `sworn.access.${kind}`,
    ]);
    for (const service of ['AccessRecorder', 'LogsFacade', 'sworn', 'otlp', 'shop']) {
      for (const name of names) {
        const claims = {
          'sworn.by': 'sworn',
          by: 'sworn',
          kind: name,
          log: 'control',
          'sworn.tenant.id': stage.platform,
          tenant_id: stage.bystander.id,
          'sworn.origin': 'SYSTEM',
        };
        expect((await stage.send('logs', lineRequest(name, claims, service))).status).toBe(200);
      }
    }
    expect(await ownLeaves()).toEqual(before);
    for (const log of ['audit.1', 'system.1', 'audit', 'system']) {
      for (const leaf of await stage.leaves(stage.attacker.id, log)) expect(leaf.by).toBe('producer');
    }
    const listed = (await read('/system?limit=100')).items as { metadata: { source_component: string } }[];
    for (const { metadata } of listed) expect(metadata.source_component).not.toMatch(/^[A-Z]/);
    await stage.unharmed();
  });

  test('says who acted, and is quoted for it: nobody is signed in by a span', async () => {
    const trace = newId(16);
    const claims = {
      'user.id': 'the-ceo',
      'enduser.id': 'the-ceo',
      'sworn.human_actor_id': 'the-ceo',
      'sworn.actor.basis': 'AUTHENTICATED',
      actor_basis: 'AUTHENTICATED',
      'sworn.origin': 'SYSTEM',
      origin: 'HUMAN',
      recorded_at: '2001-01-01T00:00:00Z',
      checksum: 'sha256:00',
      immutable: 'true',
    };
    await stage.send('traces', spanRequest(trace, { ...CHAT, ...claims }));
    const { metadata } = await sealed(trace);
    expect(metadata.actor_basis).toBe('CLAIMED');
    expect(metadata.human_actor_id ?? 'tok_').toMatch(/^tok_/);
    expect(metadata.recorded_at > '2026').toBe(true);
    await stage.unharmed();
  });

  test('does not make its run synthetic, another run or another tenant’s by saying so', async () => {
    const trace = newId(16);
    const claims = {
      'sworn.synthetic': 'true',
      'sworn.is_synthetic': 'true',
      is_synthetic: 'true',
      'sworn.retention.class': 'none',
      'sworn.run.id': 'a-run-of-choice',
      'sworn.tenant.id': stage.bystander.id,
    };
    const headers = {
      'x-tenant-id': stage.bystander.id,
      'x-scope-orgid': stage.bystander.id,
      'x-sworn-tenant': stage.bystander.id,
    };
    expect((await stage.send('traces', spanRequest(trace, { ...CHAT, ...claims }), { headers })).status).toBe(200);
    const run = await sealed(trace);
    expect([run.is_synthetic, run.source]).toEqual([false, expect.not.stringMatching('SYNTHETIC')]);
    // The key lacks ingest:assert.
    expect(await read('/llm-runs/a-run-of-choice/envelope')).toBeNull();
    expect(run.metadata.tenant_id).toBe(stage.attacker.id);
    await stage.unharmed();
  });
});

describe('ids that are taken', () => {
  test('by another tenant are free for this one, and neither sees the other', async () => {
    const own = spanRequest(stage.run, { ...CHAT, 'gen_ai.request.model': 'squatted' });
    expect((await stage.send('traces', own)).status).toBe(200);
    expect((await sealed(stage.run)).model).toBe('squatted');
    await stage.unharmed();
  });

  test('in the same tenant stay with who came first; the contradicting copy lies beside and is told of', async () => {
    const [trace, spanId] = [newId(16), newId(8)];
    const span = (model: string) => spanRequest(trace, { ...CHAT, 'gen_ai.request.model': model }, { spanId });
    await stage.send('traces', span('first'));
    await stage.send('traces', span('second'));
    expect((await sealed(trace)).model).toBe('first');
    // The checks come by within a minute.
    await eventually(async () =>
      JSON.stringify((await read('/audit/integrity')).anomalies).includes('CONFLICTS') ? true : null,
    );
    await stage.unharmed();
  });
});

describe('a text that is made to be slow', () => {
  test.each(SLOW_TEXTS.map((text) => [text]))('is taken like any other: %.20s…', async (text) => {
    const trace = newId(16);
    const messages = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: text }] }]);
    expect(
      (await stage.send('traces', spanRequest(trace, { ...CHAT, 'gen_ai.input.messages': messages }))).status,
    ).toBe(200);
    await stage.unharmed();
    await sealed(trace);
  });
});

describe('a run that is made to break who counts it', () => {
  const at = (ms: number): string => String(BigInt(Date.now() + ms) * 1_000_000n);
  const span = (trace: string, spanId: string, more: object): object => spanRequest(trace, CHAT, { spanId, ...more });
  const both = (a: object, b: object): object => ({
    resourceSpans: [...(a as { resourceSpans: [] }).resourceSpans, ...(b as { resourceSpans: [] }).resourceSpans],
  });
  const [x, y] = ['aa'.repeat(8), 'bb'.repeat(8)];

  test.each<[string, (trace: string) => object]>([
    ['its own parent', (t) => span(t, x, { parentSpanId: x })],
    [
      'two that are each other’s parents',
      (t) => both(span(t, x, { parentSpanId: y }), span(t, y, { parentSpanId: x })),
    ],
    ['an end before its start', (t) => span(t, x, { startTimeUnixNano: at(0), endTimeUnixNano: at(-1_000_000) })],
    [
      'times at the end of the world',
      (t) => span(t, x, { startTimeUnixNano: '18446744073709551615', endTimeUnixNano: '18446744073709551615' }),
    ],
    ['no times', (t) => span(t, x, { startTimeUnixNano: '0', endTimeUnixNano: '0' })],
    [
      'tokens below zero and beyond counting',
      (t) =>
        spanRequest(
          t,
          {
            ...CHAT,
            'gen_ai.usage.input_tokens': { intValue: '-5' },
            'gen_ai.usage.output_tokens': { intValue: '9223372036854775807' },
          },
          { spanId: x },
        ),
    ],
    [
      'costs that are no number',
      (t) =>
        spanRequest(
          t,
          { ...CHAT, 'gen_ai.usage.cost': { doubleValue: 'NaN' }, 'llm.cost.total': { doubleValue: 'Infinity' } },
          { spanId: x },
        ),
    ],
    ['a name of NUL, bidi marks and half surrogates', (t) => span(t, x, { name: 'a\u0000b\u202e\ud800' })],
    ['a status that is none', (t) => span(t, x, { status: { code: 99, message: '\u0000' } })],
  ])('is sealed all the same: %s', async (_, made) => {
    const trace = newId(16);
    const { status, text } = await stage.send('traces', made(trace));
    expect([200, 400]).toContain(status);
    if (status === 200 && !text.includes('rejected'))
      expect((await sealed(trace)).execution_status).toMatch(/SUCCEEDED|ABORTED|FAILED/);
    await stage.unharmed();
  });

  test('and a flood of runs without a root keeps nobody else from being sealed', async () => {
    const many = Array.from(
      { length: 3_000 },
      () => (spanRequest(newId(16), CHAT, { parentSpanId: newId(8) }) as { resourceSpans: object[] }).resourceSpans,
    );
    expect((await stage.send('traces', { resourceSpans: many.flat() })).status).toBe(200);
    const trace = newId(16);
    await stage.send('traces', spanRequest(trace, CHAT), { key: stage.bystander.ingest });
    await eventually(async () => {
      const { text } = await stage.ask({
        target: `${LOGS}/llm-runs?trace_id=${trace}`,
        headers: bearer(stage.bystander.reader),
      });
      return (JSON.parse(text) as { items: { execution_status: string }[] }).items[0]?.execution_status === 'SUCCEEDED'
        ? true
        : null;
    });
    await stage.sql(`select 1`);
    await stage.unharmed();
  });
});

describe('a secret', () => {
  /** Of a shape that redaction knows; in pieces, so that no scanner takes this file for a leak. */
  const canary = `sk-proj-${'Zq7'.repeat(16)}`;
  const text = (at: string) => `${at} ${canary} end`;
  const attributes = [
    { key: 'note', value: { stringValue: text('attribute') } },
    {
      key: 'nested',
      value: {
        kvlistValue: { values: [{ key: 'in', value: { arrayValue: { values: [{ stringValue: text('list') }] } } }] },
      },
    },
    { key: 'json', value: { stringValue: JSON.stringify({ deep: JSON.stringify({ er: text('json') }) }) } },
  ];
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: text('service') } }, ...attributes] };
  const scope = { name: text('scope'), version: text('version'), attributes };
  const now = String(BigInt(Date.now()) * 1_000_000n);
  const point = {
    attributes,
    startTimeUnixNano: now,
    timeUnixNano: now,
    asDouble: 1,
    exemplars: [{ filteredAttributes: attributes, timeUnixNano: now, asDouble: 1 }],
  };

  test('of a known shape is nowhere in the database, in no answer and in no line of the server, wherever it was sent', async () => {
    const span = {
      traceId: newId(16),
      spanId: newId(8),
      traceState: `a=${canary}`,
      name: text('name'),
      kind: 1,
      startTimeUnixNano: now,
      endTimeUnixNano: now,
      attributes,
      events: [{ timeUnixNano: now, name: text('event'), attributes }],
      links: [{ traceId: newId(16), spanId: newId(8), traceState: `b=${canary}`, attributes }],
      status: { code: 2, message: text('status') },
    };
    const chat = {
      ...span,
      spanId: newId(8),
      attributes: [
        ...attributes,
        ...Object.entries(CHAT).map(([key, value]) => ({ key, value: { stringValue: value } })),
        {
          key: 'gen_ai.input.messages',
          value: {
            stringValue: JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: text('prompt') }] }]),
          },
        },
        { key: 'gen_ai.conversation.id', value: { stringValue: canary } },
        { key: 'user.id', value: { stringValue: canary } },
      ],
    };
    const line = {
      timeUnixNano: now,
      eventName: text('eventName'),
      severityText: text('severity'),
      body: { stringValue: text('body') },
      attributes,
      traceId: span.traceId,
      spanId: span.spanId,
    };
    const audit = {
      ...line,
      eventName: 'sworn.audit.event',
      attributes: [
        ...attributes,
        ...[
          'category',
          'event_type',
          'entity_type',
          'entity_id',
          'policy_id',
          'reason',
          'actor_id',
          'rule_id',
          'before',
          'after',
        ].map((name) => ({ key: `sworn.audit.${name}`, value: { stringValue: canary } })),
      ],
    };
    const sent = [
      await stage.send('traces', {
        resourceSpans: [
          {
            resource,
            schemaUrl: text('schema'),
            scopeSpans: [{ scope, schemaUrl: text('schema'), spans: [span, chat] }],
          },
        ],
      }),
      await stage.send('logs', { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords: [line, audit] }] }] }),
      await stage.send('metrics', {
        resourceMetrics: [
          {
            resource,
            scopeMetrics: [
              {
                scope,
                metrics: [
                  {
                    name: text('metric'),
                    description: text('description'),
                    unit: text('unit'),
                    gauge: { dataPoints: [point] },
                  },
                ],
              },
            ],
          },
        ],
      }),
      await stage.send('traces', spanRequest(newId(16), CHAT), { headers: { 'user-agent': canary, 'x-note': canary } }),
    ];
    for (const { status, text: said } of sent) expect([status, said.includes(canary)]).toEqual([200, false]);
    const run = await sealed(span.traceId);

    // In answers, decrypted.
    for (const path of [
      '/llm-runs',
      `/llm-runs/${run.run_id}/envelope`,
      `/llm-runs/${run.run_id}/trace?fields=io`,
      `/llm-runs/${run.run_id}/governance`,
      `/llm-runs/${run.run_id}/replay`,
      '/system',
      `/system/${run.run_id}/snapshot`,
      `/system/${run.run_id}/telemetry`,
      `/system/${run.run_id}/events`,
      '/audit',
    ]) {
      const { status, text: said } = await stage.ask({ target: `${LOGS}${path}`, headers: auditor });
      expect([path, status, said.includes(canary)]).toEqual([path, 200, false]);
    }

    // In every row of every table, as text and as bytes.
    const tables = await stage.sql(
      `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'sworn' and c.relkind = 'r'`,
    );
    expect(tables.length).toBeGreaterThan(20);
    const holds = async (needle: string): Promise<string[]> => {
      const found: string[] = [];
      for (const { name } of tables) {
        const [row] = await stage.sql(
          `select exists (select from ${String(name)} t where position($1 in t::text) > 0 or position($2 in t::text) > 0) as here`,
          [needle, Buffer.from(needle).toString('hex')],
        );
        if (row?.['here'] === true) found.push(String(name));
      }
      return found;
    };
    expect(await holds(canary)).toEqual([]);
    // What is looked for in this way is found where it is.
    expect(await holds(span.traceId)).not.toEqual([]);
    expect(await holds(SECRET)).toEqual([]);
    expect(stage.server.out()).not.toContain(canary);
    await stage.unharmed();
  });
});
