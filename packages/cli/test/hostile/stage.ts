import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import pg from 'pg';
import { expect } from 'vitest';
import { eventually, type Home, makeHome, type Serving } from '../swornProcess.js';

/** An answer to a request whose target and headers went out as they were given. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** What is sent as it is: nothing is normalised, escaped or joined on the way. */
export interface Sent {
  readonly method?: string;
  readonly target: string;
  /** Names and values by turns, repeats included; `host` is added unless it is among them. */
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
}

/** A tenant and its keys. */
export interface Tenant {
  readonly id: string;
  readonly ingest: string;
  readonly reader: string;
  readonly auditor: string;
}

/** The built server as a process on an embedded database of its own, a tenant that attacks and one that only stands by. */
export interface Stage {
  readonly home: Home;
  readonly server: Serving;
  readonly attacker: Tenant;
  readonly bystander: Tenant;
  /** The tenant that Sworn's own life is in. */
  readonly platform: string;
  /** The bystander's run, which has a prompt in it. */
  readonly run: string;
  ask(sent: Sent): Promise<Reply>;
  /** OTLP over HTTP with the attacker's key, or another. */
  send(
    signal: Signal,
    body: unknown,
    more?: { readonly key?: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Reply>;
  /** Of one tenant, or of the platform: the leaves of a log, as they are stored. */
  leaves(tenantId: string, log: string): Promise<readonly Leaf[]>;
  /** As whoever has taken over the database. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  /**
   * What must hold after every attack: the same process answers, the bystander's answers are what they were, and each request of the
   * facade has an access record, or a record that stands for it.
   */
  unharmed(replies?: readonly Reply[]): Promise<void>;
  close(): Promise<void>;
}

export type Signal = 'traces' | 'logs' | 'metrics';

/** A leaf's members; what is not asked for here is left as it is. */
export interface Leaf {
  readonly kind: string;
  readonly by: string;
  readonly [member: string]: unknown;
}

export const LOGS = '/api/v1/logs';
/** The word that no other tenant ever reads. */
export const SECRET = 'the vault opens at dawn';

export const bearer = (key: string): readonly string[] => ['authorization', `Bearer ${key}`];
export const newId = (bytes: number): string => randomBytes(bytes).toString('hex');

/** One span that is a run, as OTLP/JSON. */
export function spanRequest(traceId: string, attributes: Readonly<Record<string, unknown>>, more: object = {}): object {
  const now = BigInt(Date.now()) * 1_000_000n;
  return {
    resourceSpans: [
      {
        resource: { attributes: [attribute('service.name', 'shop')] },
        scopeSpans: [
          {
            scope: { name: 'hostile' },
            spans: [
              {
                traceId,
                spanId: newId(8),
                name: 'chat',
                kind: 1,
                startTimeUnixNano: String(now - 1_000_000n),
                endTimeUnixNano: String(now),
                attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
                ...more,
              },
            ],
          },
        ],
      },
    ],
  };
}

/** One log record, as OTLP/JSON. */
export function lineRequest(
  eventName: string,
  attributes: Readonly<Record<string, unknown>>,
  service = 'shop',
): object {
  return {
    resourceLogs: [
      {
        resource: { attributes: [attribute('service.name', service)] },
        scopeLogs: [
          {
            scope: { name: 'hostile' },
            logRecords: [
              {
                timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
                eventName,
                body: { stringValue: 'a line' },
                attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
              },
            ],
          },
        ],
      },
    ],
  };
}

function attribute(key: string, value: unknown): object {
  return { key, value: typeof value === 'object' ? value : { stringValue: String(value) } };
}

/** Builds the stage: about ten seconds. `settings`: of the server that is attacked, once there are tenants to name in them. */
export async function buildStage(
  settings?: (tenants: { readonly attacker: Tenant; readonly bystander: Tenant }) => Readonly<Record<string, string>>,
): Promise<Stage> {
  const home = makeHome();
  const own = { SWORN_SEAL_GRACE_MS: '500', SWORN_SEAL_IDLE_MS: '1000' };
  let server = await home.serve([], own);
  const json = async (...args: string[]) =>
    JSON.parse((await home.run([...args, '--json'])).out) as Record<string, string>;
  const tenant = async (name: string): Promise<Tenant> => {
    const { tenant: id = '' } = await json('tenant', 'create', name);
    const key = async (role: string) => (await json('key', 'create', '--tenant', id, '--role', role))['key'] ?? '';
    return { id, ingest: await key('ingest'), reader: await key('reader'), auditor: await key('auditor') };
  };
  const [attacker, bystander] = [await tenant('attacker'), await tenant('bystander')];
  if (settings !== undefined) {
    await server.stop();
    server = await home.serve([], { ...own, ...settings({ attacker, bystander }) });
  }
  const { out: url } = await home.run(['db', 'url', '--superuser']);
  const db = new pg.Client({ connectionString: url.trim() });
  await db.connect();

  const ask = (sent: Sent): Promise<Reply> => exchange(server.http, sent);
  const send: Stage['send'] = (signal, body, { key = attacker.ingest, headers = {} } = {}) =>
    exchange(server.otlpHttp, {
      method: 'POST',
      target: `/v1/${signal}`,
      headers: [...bearer(key), ...Object.entries({ 'content-type': 'application/json', ...headers }).flat()],
      body: Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  const sql: Stage['sql'] = async (text, values = []) =>
    (await db.query(text, [...values])).rows as Record<string, unknown>[];
  const leaves: Stage['leaves'] = async (tenantId, log) => {
    const rows = await sql('select leaf from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index', [
      tenantId,
      log,
    ]);
    return rows.map(({ leaf }) => JSON.parse(String(leaf)) as Leaf);
  };

  const [{ id: platform } = {}] = await sql('select tenant_id as id from sworn.tenant where tenant_id <> all($1)', [
    [attacker.id, bystander.id],
  ]);
  const run = newId(16);
  const prompt = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: SECRET }] }]);
  const sent = await send(
    'traces',
    spanRequest(run, { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm', 'gen_ai.input.messages': prompt }),
    { key: bystander.ingest },
  );
  expect(sent.status).toBe(200);

  const asBystander = async () => {
    const read = (target: string) => ask({ target: `${LOGS}${target}`, headers: bearer(bystander.auditor) });
    const [list, trace] = [await read(`/llm-runs?run_id=${run}`), await read(`/llm-runs/${run}/trace?fields=io`)];
    return { list, trace };
  };
  const settled = await eventually(async () => {
    const seen = await asBystander();
    return seen.list.text.includes('"SUCCEEDED"') && seen.list.text.includes('"COVERED"') ? seen : null;
  });
  const stated = ({ list, trace }: typeof settled) => ({
    runs: (JSON.parse(list.text) as { items: unknown[] }).items,
    steps: (JSON.parse(trace.text) as { steps: unknown[] }).steps,
  });

  async function isRecorded(reply: Reply): Promise<boolean> {
    const id = reply.headers['x-request-id'];
    const rows = await sql(
      `select 1 from (select convert_from(leaf, 'UTF8')::jsonb as leaf from sworn.leaf where log = 'access' and recorded_at > now() - interval '5 minutes') as own
        where leaf ->> 'request_id' = $1 or (leaf ->> 'folded' = 'true' and leaf ->> 'status' = $2) limit 1`,
      [id, String(reply.status)],
    );
    return rows.length > 0;
  }

  return {
    home,
    server,
    attacker,
    bystander,
    platform: String(platform),
    run,
    ask,
    send,
    leaves,
    sql,
    async unharmed(replies = []) {
      expect((await ask({ target: '/healthz' })).status).toBe(200);
      expect(stated(await asBystander())).toEqual(stated(settled));
      for (const reply of replies) expect(await isRecorded(reply), `${reply.status} ${reply.text}`).toBe(true);
    },
    async close() {
      await db.end();
      expect(await server.stop()).toBe(0);
      home.remove();
    },
  };
}

function exchange(origin: string, { method = 'GET', target, headers = [], body }: Sent): Promise<Reply> {
  const { hostname, port, host } = new URL(origin);
  const named = headers.filter((_, n) => n % 2 === 0).map((name) => name.toLowerCase());
  const own = [
    ...(named.includes('host') ? [] : ['host', host]),
    ...(body === undefined || named.includes('content-length')
      ? []
      : ['content-length', String(Buffer.byteLength(body))]),
  ];
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { hostname, port, method, path: target, headers: [...own, ...headers], agent: false },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString('utf8'),
          }),
        );
      },
    );
    // A refusal may come while the body is still on its way.
    request.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : reject(error)));
    request.end(body);
  });
}
