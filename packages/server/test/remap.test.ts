import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BUILT_IN_MAPPING, readMapping } from '../src/mapping/files.js';
import { createPricer } from '../src/mapping/prices.js';
import type { Mapper } from '../src/otlp/map/step.js';
import { type Remapped, remapRuns } from '../src/seal/remap.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';

let house: House;
let tenant: string;
let key: string;
/** A mapping that knows where this application counts its tokens, and what it calls its tools. */
let changed: Mapper;

beforeAll(async () => {
  house = await buildHouse();
  const dir = mkdtempSync(join(tmpdir(), 'sworn-remap-'));
  cpSync(BUILT_IN_MAPPING, dir, { recursive: true });
  const edit = (file: string, from: string, to: string) => {
    const text = readFileSync(join(dir, file), 'utf8');
    expect(text).toContain(from);
    writeFileSync(
      join(dir, file),
      text.replace(from, () => to),
    );
  };
  edit('usage.yaml', 'input_tokens:\n', 'input_tokens:\n  - app.tokens.in\n');
  edit('endings.yaml', 'interrupt_types: [', 'interrupt_types: [AskHuman, ');
  edit('names.yaml', 'conversation:\n  [\n', 'conversation:\n  [\n    app.chat,\n');
  edit('mapping.yaml', 'version: 2', 'version: 3');
  const mapping = readMapping(dir);
  rmSync(dir, { recursive: true });
  changed = { mapping, pricer: createPricer(mapping) };
});
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

/** A run whose call used 500 tokens by the application's own count, and 12 by the conventions'. */
async function sealedRun(): Promise<string> {
  const trace = newTrace();
  const root = newSpan();
  const call = { 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-4o' };
  await house.ingest(
    tenant,
    otlp([
      { traceId: trace, spanId: root, start: 0, end: 100, attributes: { 'gen_ai.operation.name': 'invoke_agent' } },
      {
        traceId: trace,
        spanId: newSpan(),
        parentSpanId: root,
        start: 10,
        end: 90,
        attributes: { ...call, 'gen_ai.usage.input_tokens': 12, 'gen_ai.usage.output_tokens': 3, 'app.tokens.in': 500 },
      },
    ]),
  );
  await house.seal(tenant);
  return trace;
}

async function remap(more: { runId?: string; dryRun?: boolean } = {}, stopAfter = Infinity): Promise<Remapped[]> {
  const { db, dataKeys, originOf } = house.read;
  const outcomes: Remapped[] = [];
  const deps = { db, dataKeys, originOf, append: house.append, mapper: changed };
  for await (const one of remapRuns(deps, tenant, { runId: more.runId ?? null, dryRun: more.dryRun ?? false })) {
    outcomes.push(one);
    if (outcomes.length >= stopAfter) break;
  }
  return outcomes;
}

const leaves = async (kind: string) =>
  (
    await house.database.admin<{ leaf: Buffer }>(
      `select leaf from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind = $2 order by leaf_index`,
      [tenant, kind],
    )
  ).map((row) => JSON.parse(row.leaf.toString('utf8')) as Record<string, unknown>);

describe('runs that another version of the mapping made', () => {
  it('are mapped again: a new revision says what their bodies say now, and nothing that was written changes', async () => {
    const run = await sealedRun();
    const steps = await leaves('STEP');
    expect(await remap()).toEqual([
      {
        kind: 'remapped',
        runId: run,
        revision: 2,
        changed: ['cost_nano_usd', 'input_tokens', 'priced_nano_usd'],
      },
    ]);
    const [before, now] = await leaves('RUN');
    expect(before).toMatchObject({ revision: 1, map: 2, input_tokens: 12, output_tokens: 3 });
    expect(now).toMatchObject({ revision: 2, map: 3, input_tokens: 500, output_tokens: 3, cost_nano_usd: 1_280_000 });
    for (const member of ['tree', 'range', 'sizes', 'steps', 'members_below', 'execution_status', 'agent_id'])
      expect(now?.[member]).toEqual(before?.[member]);
    expect(await leaves('STEP')).toEqual(steps);
  });

  it('are read with the new figures, proven as ever', async () => {
    const run = await sealedRun();
    await remap();
    await house.sign(tenant);
    const { status, json } = await get(house, `/api/v1/logs/llm-runs/${run}/envelope`, key);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      revision: 2,
      input_tokens: 500,
      total_steps: 2,
      metadata: { integrity: { state: 'COVERED' } },
    });
  });

  it('are mapped again once, and from where it was stopped', async () => {
    for (let i = 0; i < 3; i++) await sealedRun();
    expect(await remap({}, 1)).toHaveLength(1);
    expect(await remap()).toHaveLength(2);
    expect(await remap()).toEqual([]);
    expect(await leaves('RUN')).toHaveLength(6);
  });

  it('are only told of in a dry run, or one alone is mapped', async () => {
    const runs = [await sealedRun(), await sealedRun()];
    expect(await remap({ dryRun: true })).toHaveLength(2);
    expect(await leaves('RUN')).toHaveLength(2);
    expect(await remap({ runId: runs[0] ?? '' })).toMatchObject([{ runId: runs[0] }]);
    expect(await remap({ runId: 'nobody' })).toEqual([{ kind: 'left', runId: 'nobody', why: 'there is no such run' }]);
    expect(await leaves('RUN')).toHaveLength(3);
  });

  it('are those, too, of which only some steps are older: what a run was made with is the oldest of it', async () => {
    const run = await sealedRun();
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"map":2', '"map":3'), 'UTF8')
        where leaf_index = (select max(leaf_index) from sworn.leaf where tenant_id = $1 and log = 'llm-runs' and kind = 'STEP')
          and tenant_id = $1 and log = 'llm-runs'`,
      [tenant],
    );
    await house.database.admin('set session_replication_role = origin');
    await house.ingest(tenant, otlp([{ traceId: run, spanId: newSpan(), start: 20, end: 30 }]));
    await house.seal(tenant);
    expect((await leaves('RUN')).map(({ map }) => map)).toEqual([2, 2]);
    expect(await remap()).toMatchObject([{ runId: run, revision: 3 }]);
  });

  it('are taken up where the mapping knows now that they waited, or that their conversation went on', async () => {
    const [asked, known, answered] = [newTrace(), newTrace(), newTrace()];
    const asks = (traceId: string, type: string, name: string) => {
      const root = newSpan();
      const attributes = { [name]: 'c' };
      const error = { status: 2 as const, attributes: { 'error.type': type } };
      return [
        { traceId, spanId: root, start: 0, end: 20, attributes },
        { traceId, spanId: newSpan(), parentSpanId: root, start: 5, end: 10, ...error },
      ];
    };
    await house.ingest(tenant, otlp(asks(asked, 'AskHuman', 'session.id')));
    await house.ingest(tenant, otlp(asks(known, 'GraphInterrupt', 'session.id')));
    const answer = { traceId: answered, spanId: newSpan(), start: 100, end: 120, attributes: { 'app.chat': 'c' } };
    await house.ingest(tenant, otlp([answer]));
    await house.seal(tenant);
    await remap();
    await house.seal(tenant);
    await remap();
    const newest = new Map((await leaves('RUN')).map((run) => [run['run_id'], run]));
    for (const run of [asked, known])
      expect(newest.get(run)).toMatchObject({ execution_status: 'SUCCEEDED', resumed_by: answered });
  });

  it('are left as they are, and named, when a body is gone or its key is', async () => {
    const [gone, locked, whole] = [await sealedRun(), await sealedRun(), await sealedRun()];
    await house.database.admin('set session_replication_role = replica');
    await house.database.admin(
      `update sworn.leaf set body = null where tenant_id = $1 and trace_id = decode($2, 'hex')`,
      [tenant, gone],
    );
    await house.database.admin(
      `delete from sworn.data_key where tenant_id = $1 and dk in (select dk from sworn.leaf where trace_id = decode($2, 'hex'))`,
      [tenant, locked],
    );
    await house.database.admin('set session_replication_role = origin');
    const outcomes = await remap();
    expect(
      outcomes
        .filter(({ kind }) => kind === 'left')
        .map(({ runId }) => runId)
        .sort(),
    ).toEqual([gone, locked].sort());
    expect(outcomes.filter(({ kind }) => kind === 'remapped').map(({ runId }) => runId)).toEqual([whole]);
  });

  it('keep what the resource and the key said, and the price of a call that is what it was', async () => {
    const run = newTrace();
    await house.ingest(
      tenant,
      agentRun(run, { 'sworn.run.id': run, 'sworn.correlation.id': 'c-1', 'user.id': 'jane' }),
      ['ingest:assert'],
    );
    await house.seal(tenant);
    const [before] = await leaves('RUN');
    expect(await remap()).toMatchObject([{ changed: [] }]);
    const [, now] = await leaves('RUN');
    for (const member of ['service', 'correlation_id', 'human_actor_id', 'cost_nano_usd', 'price_book'])
      expect([member, now?.[member]]).toEqual([member, before?.[member]]);
    expect(before).toMatchObject({ service: 'shop', correlation_id: 'c-1' });
  });
});
