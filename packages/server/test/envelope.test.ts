import { createHash, createPublicKey, verify } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leafHash, parseCheckpoint, unbase64, verifyInclusion } from '@sworn/evidence';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leafBytes } from '../src/read/leafBytes.js';
import { get } from './facadeClient.js';
import { buildHouse, type House } from './facadeHouse.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';

const LIST = '/api/v1/logs/llm-runs';
let house: House;
let tenant: string;
let key: string;

beforeAll(async () => {
  house = await buildHouse();
});
// Each on logs of its own: what one test damages is no other's business.
beforeEach(async () => {
  tenant = await house.tenants.create({ name: 'acme' });
  key = (await house.keys.issue({ tenantId: tenant, role: 'reader' })).key;
});
afterAll(() => house.close());

async function sealedRun(more: Record<string, string> = {}): Promise<string> {
  const id = newTrace();
  await house.ingest(tenant, agentRun(id, more));
  await house.seal(tenant);
  await house.sign(tenant);
  return id;
}

const envelopeOf = async (id: string) => get(house, `${LIST}/${id}/envelope`, key);

function proofHolds(proof: { leaf: string; index: number; size: number; path: string[]; checkpoint: string }): boolean {
  const { root, size } = parseCheckpoint(proof.checkpoint);
  expect(size).toBe(proof.size);
  return verifyInclusion({
    index: proof.index,
    size,
    leafHash: leafHash(unbase64(proof.leaf)),
    path: proof.path.map(unbase64),
    root,
  });
}

describe('an envelope', () => {
  it('says what the run did, and its hashes are keyed: nobody can try guesses against them', async () => {
    const { json } = await envelopeOf(await sealedRun());
    expect(json).toMatchObject({
      execution_status: 'SUCCEEDED',
      outcome: 'SUCCESS',
      termination_reason: 'completed',
      provider: 'openai',
      model: 'gpt-4o',
      input_tokens: 12,
      output_tokens: 3,
      cost_usd: '0.000060000',
      cost_source: 'PRICED',
      total_steps: 2,
      revision: 1,
      root_missing: false,
      content: 'FULL',
      retention: { class: 'llm-runs', holds: [] },
      metadata: { immutable: true, integrity: { state: 'COVERED', tier: 'SELF_ATTESTED' } },
    });
    expect(json.prompt_hash).toMatch(/^hmac-sha256:[0-9a-f]{64}$/);
    const prompt = '[{"role":"user","parts":[{"type":"text","content":"Where is my order?"}]}]';
    expect(json.prompt_hash).not.toContain(createHash('sha256').update(prompt).digest('hex'));
    const again = (await envelopeOf(await sealedRun())).json;
    expect([again.prompt_hash, again.response_hash]).toEqual([json.prompt_hash, json.response_hash]);
  });

  it('carries the exact leaf: its hash is the checksum, and its id and times are those of the newest RUN leaf', async () => {
    const { json } = await envelopeOf(await sealedRun());
    const leaf = unbase64(json.proof.leaf);
    const hash = createHash('sha256').update(Uint8Array.of(0)).update(leaf).digest('hex');
    expect(json.metadata.checksum).toBe(`sha256:${hash}`);
    expect(json.revisions.at(-1)).toMatchObject({ revision: 1, id: json.id, checksum: json.metadata.checksum });
    expect(JSON.parse(Buffer.from(leaf).toString('utf8'))).toMatchObject({
      kind: 'RUN',
      run_id: json.run_id,
      recorded_at: json.metadata.recorded_at,
    });
    const bytes = await leafBytes(house.read, tenant, json.id);
    expect(Buffer.from(bytes.answer.leaf)).toEqual(Buffer.from(leaf));
    await expect(leafBytes(house.read, tenant, '00000001-0100-8000-8000-0000ffffffff')).rejects.toThrow(
      /no such record/,
    );
    await expect(leafBytes(house.read, tenant, 'nonsense')).rejects.toThrow(/not a record id/);
  });

  it('proves itself against a checkpoint that openssl verifies', async () => {
    const { json } = await envelopeOf(await sealedRun());
    expect(proofHolds(json.proof)).toBe(true);
    const [text, signatures] = (json.proof.checkpoint as string).split('\n\n') as [string, string];
    const signature = Buffer.from(signatures.trim().split(' ')[2] as string, 'base64').subarray(4);
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), house.keyStore.noteSigner.publicKey]);
    expect(
      verify(null, Buffer.from(`${text}\n`), createPublicKey({ key: der, format: 'der', type: 'spki' }), signature),
    ).toBe(true);
    const dir = mkdtempSync(join(tmpdir(), 'sworn-openssl-'));
    try {
      writeFileSync(join(dir, 'key.der'), der);
      writeFileSync(join(dir, 'text'), `${text}\n`);
      writeFileSync(join(dir, 'sig'), signature);
      const said = execFileSync(
        'openssl',
        [
          'pkeyutl',
          '-verify',
          '-pubin',
          '-keyform',
          'DER',
          '-inkey',
          join(dir, 'key.der'),
          '-rawin',
          '-in',
          join(dir, 'text'),
          '-sigfile',
          join(dir, 'sig'),
        ],
        { encoding: 'utf8' },
      );
      expect(said).toContain('Verified Successfully');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('of a settled run never changes, whatever others write and whenever it is asked', async () => {
    const id = await sealedRun();
    const first = await envelopeOf(id);
    await sealedRun();
    await house.sign(tenant);
    const later = await envelopeOf(id);
    expect(later.text).toBe(first.text);
    expect(later.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(later.headers.get('sworn-log-sizes')).not.toBe(first.headers.get('sworn-log-sizes'));
  });

  it('proves every run of a log that is longer than a tile, at every size', async () => {
    const own = await house.tenants.create({ name: 'long' });
    const { key: ownKey } = await house.keys.issue({ tenantId: own, role: 'reader' });
    const ids: string[] = [];
    for (const count of [1, 80, 1, 90, 1, 85, 300, 1]) {
      const traces = Array.from({ length: count }, newTrace);
      const spans = traces.map((traceId) => ({ traceId, spanId: newSpan() }));
      await house.ingest(own, otlp(spans));
      await house.seal(own);
      await house.sign(own);
      ids.push(traces[0] as string, traces.at(-1) as string);
    }
    for (const id of new Set(ids)) {
      const { json } = await get(house, `${LIST}/${id}/envelope`, ownKey);
      expect(json.proof?.size, JSON.stringify(json)).toBeGreaterThan(0);
      expect(proofHolds(json.proof)).toBe(true);
    }
  });

  it('shows every sealing when late steps open the run again', async () => {
    const id = await sealedRun();
    await house.ingest(tenant, otlp([{ traceId: id, spanId: newSpan(), end: 200 }]));
    await house.seal(tenant);
    await house.sign(tenant);
    const { json } = await envelopeOf(id);
    expect(json.revision).toBe(2);
    expect(json.revisions.map((r: { revision: number }) => r.revision)).toEqual([0, 1, 2]);
    expect(json.total_steps).toBe(3);
    expect(proofHolds(json.proof)).toBe(true);
  });

  it('names the step a failed run turned at', async () => {
    const id = newTrace();
    const [root, failed] = [newSpan(), newSpan()];
    await house.ingest(
      tenant,
      otlp([
        { traceId: id, spanId: root, end: 100, status: 2 },
        { traceId: id, spanId: newSpan(), parentSpanId: root, start: 1, end: 5 },
        {
          traceId: id,
          spanId: failed,
          parentSpanId: root,
          start: 6,
          end: 9,
          status: 2,
          attributes: { 'error.type': 'boom' },
        },
      ]),
    );
    await house.seal(tenant);
    const { json } = await envelopeOf(id);
    expect(json.inflection).toMatchObject({ reason: 'FAILED_STEP' });
    const trace = (await get(house, `${LIST}/${id}/trace`, key)).json;
    expect(trace.steps[json.inflection.step_index].span_id).toBe(json.inflection.span_id);
  });

  it('of a run that waits says when something last happened, though it is not completed', async () => {
    const id = newTrace();
    const root = newSpan();
    const asks = { 'gen_ai.response.finish_reasons': 'tool_calls' };
    await house.ingest(
      tenant,
      otlp([
        { traceId: id, spanId: root, end: 100, attributes: { ...asks, 'gen_ai.operation.name': 'invoke_agent' } },
        {
          traceId: id,
          spanId: newSpan(),
          parentSpanId: root,
          attributes: { ...asks, 'gen_ai.operation.name': 'chat' },
        },
      ]),
    );
    await house.seal(tenant);
    const { json } = await envelopeOf(id);
    expect(json).toMatchObject({ execution_status: 'RUNNING', waiting_for: 'tool_call', completed_at: null });
    expect(json.last_activity_at).toBe('2026-11-20T00:00:00.100000Z');
  });

  it('of an open run says what there is so far, and that it turns, for now, at its last event', async () => {
    const id = newTrace();
    const [root, last] = [newSpan(), newSpan()];
    const call = { 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 7, 'gen_ai.usage.cost': '0.25' };
    const spans = [
      { traceId: id, spanId: root, parentSpanId: newSpan(), end: 50 },
      { traceId: id, spanId: last, parentSpanId: root, start: 10, end: 90, attributes: call },
      { traceId: id, spanId: newSpan(), parentSpanId: root, start: 60, end: 70 },
    ];
    const patient = await buildHouse({ graceMs: 600_000, idleMs: 600_000 });
    try {
      const own = await patient.tenants.create({ name: 'patient' });
      const { key: ownKey } = await patient.keys.issue({ tenantId: own, role: 'reader' });
      await patient.ingest(own, otlp(spans));
      await patient.seal(own);
      const { json } = await get(patient, `${LIST}/${id}/envelope`, ownKey);
      expect(json).toMatchObject({
        execution_status: 'RUNNING',
        provisional: true,
        total_steps: 3,
        input_tokens: 7,
        inflection: { reason: 'LAST_EVENT', span_id: last, step_index: 1, timestamp: '2026-11-20T00:00:00.090000Z' },
        trace_ids: [id],
        trace_count: 1,
        mapping_version: null,
        anomalies: { conflicts: 0, foreign_steps: null, late_steps: 0 },
      });
      expect(json.last_activity_at < json.metadata.recorded_at).toBe(true);
      const listed = (await get(patient, LIST, ownKey)).json.items[0];
      expect(listed.inflection).toMatchObject({ reason: 'LAST_EVENT', span_id: last, step_index: null });
    } finally {
      await patient.close();
    }
  });

  it('keeps what is odd about what was sent apart from what is wrong with the record', async () => {
    const id = await sealedRun();
    const step = { traceId: id, spanId: newSpan(), end: 200 };
    await house.ingest(tenant, otlp([step]));
    await house.ingest(tenant, otlp([{ ...step, name: 'another' }]));
    await house.seal(tenant);
    await house.sign(tenant);
    const { json } = await envelopeOf(id);
    expect(json.anomalies).toMatchObject({ conflicts: 1, late_steps: 1, steps_not_read: 0 });
    expect(json.metadata.immutable).toBe(true);
  });

  it('has an ETag for each coding, and answers 304 only to whoever may see it', async () => {
    const id = await sealedRun();
    const path = `${LIST}/${id}/envelope`;
    const tags = await Promise.all(
      ['identity', 'gzip', 'br'].map(
        async (coding) => (await get(house, path, key, { 'accept-encoding': coding })).headers.get('etag') ?? '',
      ),
    );
    expect(new Set(tags).size).toBe(3);
    for (const tag of tags) expect(tag).toMatch(/^"[^"]+"$/);
    const identity = { 'accept-encoding': 'identity' };
    expect((await get(house, path, key, { ...identity, 'if-none-match': tags[0] as string })).status).toBe(304);
    expect((await get(house, path, key, { ...identity, 'if-none-match': tags[1] as string })).status).toBe(200);
    expect((await get(house, path, key, { ...identity, 'if-none-match': '*' })).status).toBe(304);
    const other = await house.tenants.create({ name: 'other' });
    const { key: otherKey } = await house.keys.issue({ tenantId: other, role: 'reader' });
    expect((await get(house, path, otherKey, { 'if-none-match': '*' })).status).toBe(404);
  });

  it('of a run whose leaf was rewritten with its hash is refused: it does not lie under the checkpoint', async () => {
    const id = await sealedRun();
    await asOwner(
      `update sworn.leaf set leaf = replace(convert_from(leaf, 'UTF8'), '"input_tokens":12', '"input_tokens":11')::bytea where tenant_id = '${tenant}' and run_id = '${id}' and kind = 'RUN'`,
    );
    await asOwner(
      `update sworn.leaf set leaf_hash = sha256('\\x00'::bytea || leaf) where tenant_id = '${tenant}' and run_id = '${id}' and kind = 'RUN'`,
    );
    const got = await envelopeOf(id);
    expect(got.status, got.text).toBe(409);
    expect(got.json).toMatchObject({
      code: 'evidence_compromised',
      finding: { check: 'V3', code: 'NOT_UNDER_CHECKPOINT' },
    });
    expect(got.headers.get('etag')).toBeNull();
  });

  it.each([
    [`set note = overlay(note placing 'AAAAAAAA' from length(note) - 40)`],
    [`set root = sha256(root)`],
    [`set signed_at = signed_at, note = 'signed, promised'`],
    [`set note = (select max(o.note) from sworn.checkpoint o where o.log = c.log and o.tenant_id <> c.tenant_id)`],
  ])(
    'of a run under a checkpoint that we did not sign is refused, and lists call it not covered: %s',
    async (change) => {
      const id = await sealedRun();
      const listed = async () =>
        (await get(house, `${LIST}?run_id=${id}`, key)).json.items[0].metadata as {
          immutable: boolean;
          integrity: object;
        };
      expect(await listed()).toMatchObject({ immutable: true, integrity: { state: 'COVERED' } });
      await asOwner(`update sworn.checkpoint c ${change} where tenant_id = '${tenant}' and log = 'llm-runs'`);
      for (const what of ['envelope', 'trace'])
        expect((await get(house, `${LIST}/${id}/${what}`, key)).json, what).toMatchObject({
          code: 'evidence_compromised',
          finding: { check: 'V1', code: 'CHECKPOINT_INVALID' },
        });
      expect(await listed()).toMatchObject({
        immutable: false,
        integrity: { state: 'DURABLE', covered_at: null },
      });
    },
  );

  it('is not called immutable for a checkpoint row that was made up before the signer came', async () => {
    const id = newTrace();
    await house.ingest(tenant, agentRun(id));
    await house.seal(tenant);
    await asOwner(
      `insert into sworn.checkpoint (tenant_id, log, size, root, note, signed_at) select tenant_id, log, next_index, root, 'note', now() from sworn.log_head where tenant_id = '${tenant}' and log = 'llm-runs'`,
    );
    expect((await get(house, LIST, key)).json.metadata).toMatchObject({ immutable: false });
    expect((await envelopeOf(id)).json.finding).toMatchObject({ check: 'V1' });
  });

  it.each([
    ['the newest', 'revision = 2'],
    ['one between', 'revision = 1'],
    ['the first', 'revision = 0'],
    ['every', 'true'],
  ])('of a run whose projection row of %s revision is gone is refused', async (_, which) => {
    const id = await sealedRun();
    await house.ingest(tenant, otlp([{ traceId: id, spanId: newSpan(), end: 200 }]));
    await house.seal(tenant);
    await house.sign(tenant);
    await asOwner(`delete from sworn.llm_run_records where tenant_id = '${tenant}' and ${which}`);
    for (const what of ['envelope', 'trace']) {
      const { json } = await get(house, `${LIST}/${id}/${what}`, key);
      expect(json, what).toMatchObject({ code: 'evidence_compromised', finding: { check: 'V6' } });
      expect(unbase64(json.leaf).length).toBeGreaterThan(0);
    }
    if (which !== 'revision = 2') return;
    const { json } = await get(house, LIST, key);
    expect(json.items).toMatchObject([{ compromised: true, finding: { check: 'V6', code: 'PROJECTION_MISMATCH' } }]);
    expect(json.metadata.immutable).toBe(false);
  });

  it('of a run one of whose steps is gone is refused: count and tree hash are sealed', async () => {
    const id = await sealedRun();
    await asOwner(
      `delete from sworn.leaf where tenant_id = '${tenant}' and trace_id = '\\x${id}' and leaf_index = (select max(leaf_index) from sworn.leaf where tenant_id = '${tenant}' and trace_id = '\\x${id}')`,
    );
    expect((await envelopeOf(id)).json).toMatchObject({
      code: 'evidence_compromised',
      finding: { check: 'V9', code: 'RUN_TREE_MISMATCH' },
    });
  });

  it.each([
    ['update sworn.leaf set body = null where tenant_id = $1 and trace_id = $2', 'BODY_MISSING_UNAUTHORISED'],
    [
      'update sworn.leaf set body = set_byte(body, 30, get_byte(body, 30) # 1) where tenant_id = $1 and trace_id = $2',
      'BODY_MISMATCH',
    ],
    [
      'update sworn.leaf l set body = o.body from sworn.leaf o where o.trace_id = l.trace_id and o.leaf_index <> l.leaf_index and l.tenant_id = $1 and l.trace_id = $2',
      'BODY_MISMATCH',
    ],
    [
      'delete from sworn.data_key where tenant_id = $1 and dk in (select dk from sworn.leaf where trace_id = $2)',
      'BODY_MISSING_UNAUTHORISED',
    ],
    [
      'update sworn.data_key set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) where tenant_id = $1 and dk in (select dk from sworn.leaf where trace_id = $2)',
      'BODY_MISSING_UNAUTHORISED',
    ],
  ])('of a run whose content was taken, swapped or edited is refused: %s', async (attack, code) => {
    const id = await sealedRun();
    await asOwner(attack.replace('$1', `'${tenant}'`).replace('$2', `'\\x${id}'`));
    const got = await envelopeOf(id);
    expect(got.json.finding?.code, got.text).toBe(code);
    const trace = (await get(house, `${LIST}/${id}/trace`, key)).json;
    expect(trace.steps.every((step: { compromised?: boolean }) => step.compromised === true)).toBe(true);
    expect(trace.metadata.immutable).toBe(false);
  });

  it('is stored under the synthetic class only for a synthetic tenant', async () => {
    const made = await house.tenants.create({ name: 'made up', synthetic: true });
    const { key: madeKey } = await house.keys.issue({ tenantId: made, role: 'reader' });
    const id = newTrace();
    await house.ingest(made, agentRun(id));
    await house.seal(made);
    const { json } = await get(house, `${LIST}/${id}/envelope`, madeKey);
    expect(json).toMatchObject({ is_synthetic: true, source: 'SYNTHETIC', retention: { class: 'synthetic' } });
    expect((Date.parse(json.retention.until) - Date.parse(json.metadata.recorded_at)) / 86_400_000).toBe(7);
  });
});

async function asOwner(text: string): Promise<void> {
  await house.database.admin('set session_replication_role = replica');
  try {
    await house.database.admin(text);
  } finally {
    await house.database.admin('set session_replication_role = origin');
  }
}
