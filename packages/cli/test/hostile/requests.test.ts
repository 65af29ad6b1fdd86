import { connect } from 'node:net';
import { ENDPOINTS } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../swornProcess.js';
import { bearer, buildStage, LOGS, newId, type Reply, SECRET, type Sent, spanRequest, type Stage } from './stage.js';

let stage: Stage;
/** The reader of the tenant that attacks, with which it may see its own runs. */
let reader: readonly string[];

beforeAll(async () => {
  stage = await buildStage();
  reader = bearer(stage.attacker.reader);
});
afterAll(() => stage.close());

/** Sends it, and sees that it left a record and harmed nobody. */
async function struck(sent: Sent): Promise<Reply> {
  const reply = await stage.ask(sent);
  expect(reply.text).not.toContain(SECRET);
  await stage.unharmed([reply]);
  return reply;
}

const spanOf = (model: string): object =>
  spanRequest(newId(16), { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': model });

/** Of a first page of one run, once there are two. */
const eventualCursor = (key: string): Promise<string> =>
  eventually(async () => {
    const { text } = await stage.ask({ target: `${LOGS}/llm-runs?limit=1`, headers: bearer(key) });
    return (JSON.parse(text) as { next_cursor: string | null }).next_cursor;
  });

const code = ({ text }: Reply): unknown => (JSON.parse(text) as { code?: unknown }).code;

describe('a path that is meant to be read differently by two parties', () => {
  test.each([
    [`${LOGS}/../logs/llm-runs`],
    [`${LOGS}/%2e%2e/logs/llm-runs`],
    [`${LOGS}/..%2fllm-runs`],
    [`${LOGS}/.%2e/logs/llm-runs`],
    [`${LOGS}//llm-runs`],
    [`/${LOGS}/llm-runs`],
    [`${LOGS}/./llm-runs`],
    [`${LOGS}/llm-runs/`],
    [`${LOGS}/LLM-RUNS`],
    [`${LOGS}/llm%2druns%00`],
    [`${LOGS}/llm-runs%00`],
    [`${LOGS}/llm-runs;tenant=other`],
    [`${LOGS}/llm-runs\\..\\audit`],
    [`${LOGS}/llm-runs%5c..%5caudit`],
    [`${LOGS}/llm-runs/%252e%252e/audit`],
    [`${LOGS}/%61udit/%zz`],
    [`${LOGS}/audit%3fformat=ocsf`],
    [`${LOGS}/audit#/llm-runs`],
    [`/api/v1/../v1/logs/audit`],
    [`${LOGS}/llm-runs/${'a'.repeat(3_000)}/trace`],
    [`${LOGS}/llm-runs/${encodeURIComponent('日本')}/trace`],
    [`${LOGS}/llm-runs/%c0%ae%c0%ae/trace`],
  ])('%s is 404', async (target) => {
    const reply = await struck({ target, headers: reader });
    expect([reply.status, code(reply)]).toEqual([404, 'not_found']);
  });

  test('cannot reach what the permission of its real route denies', async () => {
    for (const target of [
      `${LOGS}/audit`,
      `${LOGS}/%61udit`,
      `${LOGS}/aud%69t/access`,
      `http://localhost${LOGS}/audit`,
    ]) {
      expect((await struck({ target, headers: reader })).status, target).toBe(403);
    }
  });
});

describe('a verb that would change something', () => {
  const verbs = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'LINK', 'PURGE', 'QUERY'];
  test.each(verbs)('%s is 405 at every endpoint, whatever header asks for another', async (method) => {
    const override = ['x-http-method-override', 'GET', 'x-method-override', 'GET', 'x-http-method', 'GET'];
    const replies: Reply[] = [];
    for (const { path } of ENDPOINTS) {
      const target = path.replaceAll(/\{[a-z_]+\}/g, stage.run);
      replies.push(await stage.ask({ method, target, headers: [...reader, ...override] }));
    }
    for (const reply of replies) {
      expect([reply.status, reply.headers['allow']]).toEqual([405, 'GET, HEAD']);
      expect(reply.headers['access-control-allow-origin']).toBeUndefined();
    }
    await stage.unharmed(replies);
  });

  test('hidden in a GET has no effect', async () => {
    const headers = [...reader, 'x-http-method-override', 'DELETE'];
    expect((await struck({ target: `${LOGS}/llm-runs?_method=DELETE`, headers })).status).toBe(400);
    expect((await struck({ target: `${LOGS}/llm-runs`, headers })).status).toBe(200);
  });
});

describe('doubled', () => {
  test('credentials are 400, in every way of sending two', async () => {
    const { attacker, bystander } = stage;
    const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    for (const headers of [
      [...bearer(attacker.reader), ...bearer(bystander.reader)],
      [...bearer(attacker.reader), 'x-api-key', bystander.reader],
      ['x-api-key', attacker.reader, 'x-api-key', bystander.reader],
      ['x-api-key', `${attacker.reader}, ${bystander.reader}`],
      ['authorization', basic(attacker.reader, bystander.reader)],
    ]) {
      const reply = await struck({ target: `${LOGS}/llm-runs`, headers });
      expect([reply.status, code(reply)], headers.join(' ')).toEqual([400, 'ambiguous_credential']);
    }
  });

  test.each([
    'limit=1&limit=2',
    'limit=1&limit[]=2',
    'limit=1&%6cimit=2',
    'run_id=a&run_id=b',
    'tenant_id=other',
    'limit=1;limit=2',
    'limit=0x10',
    'limit=1e2',
    'limit=-1',
    'limit=%00',
    'limit=',
    '__proto__=1',
    'constructor[prototype]=1',
    'occurred_after=yesterday',
    'cursor=AAAA',
    `run_id=${'x'.repeat(300)}`,
  ])('or crooked parameters are 400 and named: %s', async (query) => {
    const reply = await struck({ target: `${LOGS}/llm-runs?${query}`, headers: reader });
    expect([reply.status, code(reply)]).toEqual([400, 'invalid_parameter']);
    expect((JSON.parse(reply.text) as { errors: unknown[] }).errors.length).toBeGreaterThan(0);
  });

  test.each(["' or 1=1--", "\\'; drop table sworn.leaf; --", '$1', '%', '_', '${7*7}', '../../etc/passwd'])(
    'texts are looked for, and nothing else: %s',
    async (text) => {
      for (const name of ['run_id', 'model', 'conversation_id']) {
        const reply = await struck({ target: `${LOGS}/llm-runs?${name}=${encodeURIComponent(text)}`, headers: reader });
        expect([reply.status, (JSON.parse(reply.text) as { items: unknown[] }).items]).toEqual([200, []]);
      }
    },
  );

  test('cursors of another tenant, and of another question, are no cursors', async () => {
    await stage.send('traces', spanOf('one'));
    await stage.send('traces', spanOf('two'));
    const own = await eventualCursor(stage.attacker.auditor);
    const crossed = await struck({
      target: `${LOGS}/llm-runs?limit=1&cursor=${own}`,
      headers: bearer(stage.bystander.auditor),
    });
    const other = await struck({
      target: `${LOGS}/llm-runs?limit=1&provider=x&cursor=${own}`,
      headers: bearer(stage.attacker.auditor),
    });
    for (const reply of [crossed, other]) expect([reply.status, code(reply)]).toEqual([400, 'invalid_parameter']);
  });
});

describe('a header that claims', () => {
  test('to be another host is 421', async () => {
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '[::1].evil',
      'evil.example:80@localhost',
      '',
    ]) {
      const reply = await struck({ target: `${LOGS}/llm-runs`, headers: [...reader, 'host', host] });
      expect([421, 400], host).toContain(reply.status);
    }
    const absolute = await struck({ target: `http://evil.example${LOGS}/llm-runs`, headers: reader });
    expect(absolute.status).toBe(421);
    const forwarded = await struck({
      target: `${LOGS}/llm-runs`,
      headers: [...reader, 'x-forwarded-host', 'evil.example'],
    });
    expect([forwarded.status, forwarded.text.includes('evil.example')]).toEqual([200, false]);
  });

  test('to come from elsewhere is not believed: the source is that of the socket', async () => {
    const claims = [
      'x-forwarded-for',
      '203.0.113.9',
      'forwarded',
      'for=203.0.113.9',
      'x-real-ip',
      '203.0.113.9',
      'true-client-ip',
      '203.0.113.9',
    ];
    const replies = [
      await struck({ target: `${LOGS}/llm-runs`, headers: reader }),
      await struck({ target: `${LOGS}/llm-runs`, headers: [...reader, ...claims] }),
    ];
    const records = await stage.leaves(stage.attacker.id, 'access');
    const sources = replies.map(
      ({ headers }) => records.find((leaf) => leaf['request_id'] === headers['x-request-id'])?.['source'],
    );
    expect(sources[0]).toMatch(/^tok_/);
    expect(sources[1]).toBe(sources[0]);
  });

  test('a correlation id is echoed if it is one, never joined to anything, and breaks no line', async () => {
    const id = 'case-7';
    const good = await struck({ target: `${LOGS}/llm-runs`, headers: [...reader, 'x-correlation-id', id] });
    expect(good.headers['x-correlation-id']).toBe(id);
    for (const crooked of ['a b', '<script>', `x${'y'.repeat(200)}`, '${jndi:ldap://x}', '%0d%0aset-cookie:x']) {
      const reply = await struck({ target: `${LOGS}/llm-runs`, headers: [...reader, 'x-correlation-id', crooked] });
      expect([reply.status, reply.headers['x-correlation-id'], reply.headers['set-cookie']]).toEqual([
        200,
        undefined,
        undefined,
      ]);
    }
    const found = await struck({ target: `${LOGS}/llm-runs?correlation_id=${id}`, headers: reader });
    expect((JSON.parse(found.text) as { items: unknown[] }).items).toEqual([]);
  });

  test('a request id is not taken over', async () => {
    const reply = await struck({ target: `${LOGS}/llm-runs`, headers: [...reader, 'x-request-id', 'mine'] });
    expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('a credential that opens nothing', () => {
  test('is 401 at every endpoint, with a challenge and no word of what there is', async () => {
    const { attacker } = stage;
    const forged = `${attacker.reader.slice(0, -4)}AAAA`;
    // Without its checksum, as keys once were: with it the text alone says that it is wrong.
    const moved = attacker.reader
      .slice(0, -6)
      .replace(/^swk_[0-9a-f]+/, `swk_${stage.bystander.id.replaceAll('-', '')}`);
    for (const headers of [
      [],
      bearer(forged),
      bearer(moved),
      bearer('x'.repeat(8_000)),
      ['authorization', 'Negotiate abc'],
      bearer("' or 1=1"),
    ]) {
      for (const path of ['/llm-runs', `/llm-runs/${stage.run}/trace`, '/audit', '/system']) {
        const reply = await stage.ask({ target: `${LOGS}${path}`, headers });
        expect([reply.status, code(reply)], headers.join(' ').slice(0, 80)).toEqual([401, 'not_authenticated']);
        expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
      }
    }
    await stage.unharmed();
  });

  test('to write cannot read, and one to read cannot write', async () => {
    const reading = await struck({ target: `${LOGS}/llm-runs`, headers: bearer(stage.attacker.ingest) });
    expect([reading.status, code(reading)]).toEqual([403, 'permission_denied']);
    for (const key of [stage.attacker.reader, stage.attacker.auditor]) {
      expect((await stage.send('traces', spanOf('x'), { key })).status).toBe(403);
    }
  });
});

describe("another tenant's record", () => {
  test('is not found, word for word as one that never was', async () => {
    const nowhere = newId(16);
    for (const { path } of ENDPOINTS) {
      if (!path.includes('{run_id}')) continue;
      const at = (id: string) =>
        stage.ask({ target: path.replace('{run_id}', id), headers: bearer(stage.attacker.auditor) });
      const [theirs, nobodys] = [await at(stage.run), await at(nowhere)];
      const said = ({ status, text }: Reply) => [
        status,
        text
          .replaceAll(stage.run, 'ID')
          .replaceAll(nowhere, 'ID')
          .replaceAll(/"instance":"[^"]*"/g, ''),
      ];
      expect(said(theirs), path).toEqual(said(nobodys));
      expect(theirs.status).toBe(404);
      await stage.unharmed([theirs, nobodys]);
    }
  });
});

describe('bytes that are no request', () => {
  test.each([
    [
      'two lengths that differ',
      `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`,
    ],
    [
      'a length and chunks',
      `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nX`,
    ],
    ['a length of another base', `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0x10\r\n\r\n`],
    ['a folded header', `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n c: d\r\n\r\n`],
    ['a space before the colon', `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\ncontent-length : 3\r\n\r\nabc`],
    [
      'two hosts',
      `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n`,
    ],
    ['a NUL in a header', `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\nx-a: b\0c\r\n\r\n`],
    ['headers without end', `GET ${LOGS}/llm-runs HTTP/1.1\r\nhost: localhost\r\nx-a: ${'b'.repeat(100_000)}\r\n\r\n`],
    ['an older protocol', `GET ${LOGS}/llm-runs\r\n\r\n`],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('are refused and the connection is closed: %s', async (_, bytes) => {
    const { hostname, port } = new URL(stage.server.http);
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(Buffer.from(bytes, 'latin1')));
      let text = '';
      socket.on('data', (part) => (text += part.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(said === '' || /^HTTP\/1\.1 4(00|05|21|31) /.test(said), said.slice(0, 200)).toBe(true);
    await stage.unharmed();
  });
});

describe('a flood', () => {
  test('of strangers leaves few records, and those who read are answered', async () => {
    const before = (await stage.sql(`select count(*)::int as n from sworn.leaf where log = 'access'`))[0]?.[
      'n'
    ] as number;
    const replies: Reply[] = [];
    for (let n = 0; n < 20; n++) {
      const wave = Array.from({ length: 50 }, (_, i) =>
        stage.ask({
          target: `${LOGS}/llm-runs?x=${n}-${i}`,
          headers: bearer(`swk_${stage.bystander.id.replaceAll('-', '')}_${newId(32)}`),
        }),
      );
      replies.push(...(await Promise.all(wave)));
    }
    expect(replies.filter(({ status }) => ![401, 429, 503].includes(status))).toEqual([]);
    const after = (await stage.sql(`select count(*)::int as n from sworn.leaf where log = 'access'`))[0]?.[
      'n'
    ] as number;
    expect(after - before).toBeLessThan(300);
    await stage.unharmed([replies[0] as Reply, replies.at(-1) as Reply]);
  });

  test('of reads that all ask for as much as there can be is answered or told to come again', async () => {
    const replies = await Promise.all(
      Array.from({ length: 200 }, () =>
        stage.ask({ target: `${LOGS}/llm-runs?limit=100&include_total=true`, headers: reader }),
      ),
    );
    for (const { status, headers } of replies) {
      expect([200, 429, 503]).toContain(status);
      if (status !== 200) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    await stage.unharmed(replies.filter(({ status }) => status === 200));
  });

  test('of sockets that say nothing does not keep others out', async () => {
    const { hostname, port } = new URL(stage.server.http);
    const sockets = await Promise.all(
      Array.from(
        { length: 300 },
        () =>
          new Promise<ReturnType<typeof connect>>((resolve, reject) => {
            const socket = connect(Number(port), hostname, () => resolve(socket));
            socket.on('error', reject);
          }),
      ),
    );
    for (const socket of sockets) socket.write(`GET ${LOGS}/llm-runs HTTP/1.1\r\nhost:`);
    await stage.unharmed();
    for (const socket of sockets) socket.destroy();
  });
});

test.each(['2020-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z'])(
  'a replay at %s, far outside of its run, is refused',
  async (at) => {
    const target = `${LOGS}/llm-runs/${stage.run}/replay?at=${at}`;
    const reply = await struck({ target, headers: bearer(stage.bystander.auditor) });
    expect([reply.status, code(reply)]).toEqual([400, 'invalid_parameter']);
  },
);
