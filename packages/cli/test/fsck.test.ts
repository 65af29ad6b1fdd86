import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from './swornProcess.js';

let home: Home;
let server: Serving;
let tenant: string;
let other: string;
let database: pg.Client;

// oxlint-disable-next-line typescript/no-explicit-any -- what commands print is looked into here
const json = async (...args: string[]): Promise<any> => JSON.parse((await home.run([...args, '--json'])).out);
const fsck = async (...args: string[]) => {
  const said = await home.run(['fsck', '--json', ...args]);
  return { ...said, report: said.out === '' ? null : JSON.parse(said.out) };
};

beforeAll(async () => {
  home = makeHome();
  server = await home.serve();
  tenant = (await json('tenant', 'create', 'acme')).tenant;
  other = (await json('tenant', 'create', 'other')).tenant;
  database = new pg.Client({ connectionString: (await home.run(['db', 'url', '--superuser'])).out.trim() });
  await database.connect();
});

afterAll(async () => {
  await database.end();
  await server.stop();
  home.remove();
});

/** As a superuser whom no trigger binds. */
async function tamper(statement: string, values: readonly unknown[] = []): Promise<void> {
  await database.query('set session_replication_role = replica; set row_security = off');
  await database.query(statement, [...values]);
  await database.query('set session_replication_role = origin');
}

/** Without the lines of progress that a slow machine sees. */
const said = (err: string) => err.replaceAll(/^\d+ of \d+ records, .*\n/gm, '');

describe('sworn fsck beside a running server', () => {
  test('leaves with 0 where nothing is wrong, and says of every log how far it is proven', async () => {
    const { code, report, err } = await fsck();
    expect([code, said(err)]).toEqual([0, '']);
    expect(report).toMatchObject({ complete: true, findings: [], advisories: [], more: 0 });
    expect(report.logs.filter((log: { tenant: string }) => log.tenant === tenant)).toHaveLength(5);
    for (const { size, verified_size } of report.logs) expect(verified_size).toBe(size);
    const plain = await home.run(['fsck', '--tenant', 'acme', '--log', 'control']);
    expect([plain.code, said(plain.err)]).toEqual([0, '']);
    expect(plain.out).toMatch(/^[0-9]+ records in 1 logs, .* s: sound\n$/);
  });

  test('says with 1 what is wrong and where, of that tenant alone; and with --record the server says it too, until it is put right', async () => {
    const auditor = (await json('key', 'create', '--tenant', 'acme', '--role', 'auditor')).key;
    const verdict = async (): Promise<string> => {
      const answer = await fetch(`${server.http}/api/v1/logs/audit/integrity?log=control`, {
        headers: { authorization: `Bearer ${auditor}` },
      });
      return ((await answer.json()) as { logs: { verdict: string }[] }).logs[0]?.verdict ?? '';
    };
    const rename = `update sworn.control_records set subject = $2 where tenant_id = $1 and kind = 'TENANT_CREATED'`;
    await tamper(rename, [tenant, other]);
    const { code, report, err } = await fsck('--record');
    expect([code, said(err)]).toEqual([1, 'sworn: 1 findings\n']);
    expect(report.findings).toMatchObject([
      { tenant, log: 'control', leaf_index: 0, check: 'V6', code: 'PROJECTION_MISMATCH', table: 'control_records' },
    ]);
    expect((await fsck('--tenant', 'other')).code).toBe(0);
    await eventually(async () => ((await verdict()) === 'compromised' ? true : null));
    await tamper(rename, [tenant, tenant]);
    expect((await fsck('--record')).code).toBe(0);
    await eventually(async () => ((await verdict()) === 'compromised' ? null : true));
    const kinds = await database.query(
      `select kind from sworn.control_records where tenant_id = $1 and kind like 'FINDING%' order by leaf_index`,
      [tenant],
    );
    expect(kinds.rows.map(({ kind }) => kind)).toEqual(['FINDING', 'FINDING_CLEARED']);
  });

  test('says that a wall is down, and leaves with 0: no record was changed', async () => {
    await database.query('alter table sworn.leaf disable trigger append_only');
    const { code, report } = await fsck();
    await database.query('alter table sworn.leaf enable trigger append_only');
    expect(code).toBe(0);
    expect(report.findings).toEqual([]);
    expect(report.advisories.length).toBeGreaterThan(0);
    expect(report.advisories[0]).toMatchObject({ check: 'V11', code: 'POSTURE' });
  });

  test('that cannot look leaves with 2 and says why', async () => {
    expect((await fsck('--tenant', 'nobody')).code).toBe(2);
    expect((await fsck('--quick', '--record')).err).toContain('leave --quick out');
    const away = await home.run(['fsck'], { SWORN_DATABASE_URL: 'postgres://nobody:x@127.0.0.1:1/none' });
    expect([away.code, away.out]).toEqual([2, '']);
    expect(away.err).not.toContain('    at ');
  });
});
