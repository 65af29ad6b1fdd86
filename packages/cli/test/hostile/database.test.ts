import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../swornProcess.js';
import { bearer, buildStage, LOGS, newId, SECRET, spanRequest, type Stage } from './stage.js';

let stage: Stage;
/** Runs of the tenant whose rows are attacked, sealed and covered. */
const runs = Array.from({ length: 4 }, () => newId(16));

beforeAll(async () => {
  stage = await buildStage();
  const prompt = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: SECRET }] }]);
  for (const run of runs)
    await stage.send(
      'traces',
      spanRequest(run, {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'm',
        'gen_ai.input.messages': prompt,
      }),
    );
  await eventually(async () => {
    const { text } = await read('/llm-runs');
    const { items } = JSON.parse(text) as {
      items: { metadata: { integrity: { state: string } }; execution_status: string }[];
    };
    const isDone = items.every(
      (run) => run.execution_status === 'SUCCEEDED' && run.metadata.integrity.state === 'COVERED',
    );
    return items.length === runs.length && isDone ? true : null;
  });
});
afterAll(() => stage.close());

const read = (path: string) => stage.ask({ target: `${LOGS}${path}`, headers: bearer(stage.attacker.auditor) });

/** As a superuser whom no trigger binds. */
async function tamper(text: string, values: readonly unknown[] = []): Promise<void> {
  await stage.sql('set session_replication_role = replica');
  await stage.sql(text, values);
  await stage.sql('set session_replication_role = origin');
}

test('each role of the running server is refused, by each table, what would change what was recorded', async () => {
  const names = (rows: readonly Record<string, unknown>[]) => rows.map(({ name }) => String(name));
  const roles = names(
    await stage.sql(
      `select rolname as name from pg_roles where rolname ~ '_(writer|recorder|signer|reader|checker|remover)$'`,
    ),
  );
  // Those that carry an authenticator or a leaf's place; the others are working tables.
  const evidence = names(
    await stage.sql(
      `select oid::regclass::text as name from pg_class c where relnamespace = 'sworn'::regnamespace and relkind = 'r'
          and (relname in ('leaf', 'checkpoint', 'batch_authenticator') or relname ~ '_(records|ledger|batches|members)$' or relname = 'resources')`,
    ),
  );
  expect([roles.length, evidence.length > 10]).toEqual([6, true]);
  for (const role of roles) {
    for (const table of evidence) {
      for (const verb of [
        `update ${table} set tenant_id = tenant_id`,
        `delete from ${table}`,
        `truncate ${table}`,
        `drop table ${table}`,
        `alter table ${table} disable trigger all`,
      ]) {
        await stage.sql('begin');
        await stage.sql(`set local role ${role}`);
        const said = await stage.sql(verb).then(
          () => 'done',
          (error: { code?: string }) => error.code,
        );
        await stage.sql('rollback');
        // The remover owns the two functions, and may delete: its triggers ask who calls.
        const isRemover = role.endsWith('remover') && /^(delete|update)/.test(verb);
        if (!isRemover) expect([role, verb, said]).toEqual([role, verb, '42501']);
      }
    }
  }
  await stage.unharmed();
});

describe('when somebody with the superuser has', () => {
  test('taken a body away, the record is answered as compromised and not as empty', async () => {
    await tamper(
      `update sworn.leaf set body = null where tenant_id = $1 and log like 'llm-runs%' and kind = 'STEP' and encode(trace_id, 'hex') = $2`,
      [stage.attacker.id, runs[0]],
    );
    const reply = await read(`/llm-runs/${runs[0]}/trace?fields=io`);
    expect(reply.text).toMatch(/evidence_compromised|BODY_MISSING|"damaged"/);
    await stage.unharmed([reply]);
  });

  test('taken keys of bodies away, the same, and what was sealed under others is still read', async () => {
    await tamper(
      `delete from sworn.data_key where tenant_id = $1 and dk in (select dk from sworn.leaf where tenant_id = $1 and kind = 'STEP' and encode(trace_id, 'hex') = $2)`,
      [stage.attacker.id, runs[1]],
    );
    const [gone, there] = [
      await read(`/llm-runs/${runs[1]}/trace?fields=io`),
      await read(`/llm-runs/${runs[2]}/trace?fields=io`),
    ];
    expect([gone.status === 500, there.status]).toEqual([false, 200]);
    expect(there.text).toContain(SECRET);
    await stage.unharmed([gone, there]);
  });

  test('rewritten a leaf with its hash, its run is answered 409 with the finding', async () => {
    await tamper(
      `update sworn.leaf set leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '"SUCCEEDED"', '"FAILED"'), 'UTF8'), leaf_hash = sha256('\\x00'::bytea || convert_to(replace(convert_from(leaf, 'UTF8'), '"SUCCEEDED"', '"FAILED"'), 'UTF8'))
        where tenant_id = $1 and kind = 'RUN' and run_id = $2`,
      [stage.attacker.id, runs[3]],
    );
    const reply = await read(`/llm-runs/${runs[3]}/envelope`);
    expect([reply.status, (JSON.parse(reply.text) as { code: string }).code]).toEqual([409, 'evidence_compromised']);
    await stage.unharmed([reply]);
  });

  test('appended a leaf that fits all that is in the database, the signer refuses it and the server says that it is not ready', async () => {
    const control = `tenant_id = $1 and log = 'control'`;
    await tamper(
      `insert into sworn.leaf select tenant_id, log, (select next_index from sworn.log_head where ${control}), kind, leaf, leaf_hash, sha256(event_key), trace_id, run_id, occurred_at, now(), null, digest, null
         from sworn.leaf where ${control} order by leaf_index limit 1`,
      [stage.attacker.id],
    );
    await tamper(`update sworn.log_head set next_index = next_index + 1 where ${control}`, [stage.attacker.id]);
    const said = await eventually(async () => {
      const { status, text } = await stage.ask({ target: '/readyz' });
      return status === 503 ? text : null;
    });
    expect(said).toMatch(/UNAUTHENTICATED_APPEND|signer/);
    const found = await stage.home.run(['fsck', '--tenant', stage.attacker.id, '--json']);
    expect(found.code).toBe(1);
    await stage.unharmed();
  });

  test("taken the signer's memory, nothing is signed and the server says why", async () => {
    rmSync(join(stage.home.dataDir, '..', 'signer'), { recursive: true });
    await eventually(async () => {
      const { status, text } = await stage.ask({ target: '/readyz' });
      return status === 503 && text.includes('signer') ? true : null;
    });
    const count = async () => (await stage.sql('select count(*)::int as n from sworn.checkpoint'))[0]?.['n'];
    const before = await count();
    const run = newId(16);
    expect((await stage.send('traces', spanRequest(run, {}))).status).toBe(200);
    await eventually(async () => ((await read(`/llm-runs?trace_id=${run}`)).text.includes(run) ? true : null));
    expect(await count()).toBe(before);
    await stage.unharmed();
  });
});
