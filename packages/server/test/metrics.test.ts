import { readFileSync } from 'node:fs';
import { DEEP_LINKS, ENDPOINTS } from '@sworn/contract';
import { parser } from '@prometheus-io/lezer-promql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { type RunningApp, startApp } from '../src/app.js';
import { accepts, parametersOf } from './contractCases.js';
import { newSite, type Site } from './deploymentHouse.js';
import { agentRun, newSpan, newTrace, otlp } from './facadeSpans.js';

/** Two servers on one database: what is counted is counted once. */
let site: Site;
const apps: RunningApp[] = [];
let keys: { readonly reader: string; readonly ingest: string };
/** Runs with a root, all to be sealed; the last has failed. */
const RUNS = 7;

beforeAll(async () => {
  site = await newSite({ SWORN_SEAL_GRACE_MS: '100', SWORN_SEAL_IDLE_MS: '3600000' });
  apps.push(await startApp(site.config), await startApp(site.config));
  const { tenants, keys: issuer } = await site.open();
  const tenantId = await tenants.create({ name: 'acme' });
  keys = {
    reader: (await issuer.issue({ tenantId, role: 'reader' })).key,
    ingest: (await issuer.issue({ tenantId, role: 'ingest' })).key,
  };
  const failed = otlp([{ traceId: newTrace(), spanId: newSpan(), name: 'agent', status: 2, statusMessage: 'boom' }]);
  const open = otlp([{ traceId: newTrace(), spanId: newSpan(), parentSpanId: newSpan(), name: 'of a root to come' }]);
  const sealed = Array.from({ length: RUNS - 1 }, () => agentRun(newTrace()));
  for (const [i, { body }] of [...sealed, failed, open].entries()) await send(apps[i % 2] as RunningApp, body);
});
afterAll(async () => {
  for (const app of apps) await app.stop();
  await site.drop();
});

const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } });

async function send(app: RunningApp, body: Uint8Array, signal = 'traces'): Promise<void> {
  const answer = await fetch(`${app.addresses.otlpHttp}/v1/${signal}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys.ingest}`, 'content-type': 'application/json' },
    body: Buffer.from(body),
  });
  expect(answer.status).toBe(200);
}

const metricsOf = async (app: RunningApp): Promise<string> => (await fetch(`${app.addresses.http}/metrics`)).text();

/** Sum of a metric's series whose labels contain `label`, over these servers. */
async function total(name: string, label = '', of: readonly RunningApp[] = apps): Promise<number> {
  const lines = (await Promise.all(of.map(metricsOf))).flatMap((text) => text.split('\n'));
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

describe('/metrics of two servers on one database', () => {
  it('count each event of governance once, by category and decision, however often it is sent', async () => {
    const logged = { attributes: [attribute('event.name', 'codex.tool_decision'), attribute('decision', 'denied')] };
    const body = Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [logged] }] }] }));
    for (const app of [...apps, ...apps]) await send(app, body, 'logs');
    const denied = 'category="POLICY_EVALUATION",decision="DENY"';
    expect(await total('sworn_governance_decisions_total', denied)).toBe(1);
    expect(await total('sworn_governance_decisions_total')).toBe(1);
  });

  it('count every run that was sealed once between them, by how it ended', async () => {
    await expect.poll(() => total('sworn_runs_sealed_total'), { timeout: 60_000, interval: 100 }).toBe(RUNS);
    expect(await total('sworn_runs_sealed_total', 'FAILED')).toBe(1);
    expect(await total('sworn_runs_sealed_total', 'SUCCEEDED')).toBe(RUNS - 1);
  });

  it('count what the runs cost, as the list says it', async () => {
    const answer = await fetch(`${apps[0]?.addresses.http}/api/v1/logs/llm-runs`, {
      headers: { authorization: `Bearer ${keys.reader}` },
    });
    const { items } = (await answer.json()) as { items: { cost_usd: string | null; execution_status: string }[] };
    const sealed = items.filter((run) => run.execution_status !== 'RUNNING');
    const cost = sealed.reduce((sum, run) => sum + Number(run.cost_usd ?? 0), 0);
    expect(sealed.length).toBe(RUNS);
    expect(cost).toBeGreaterThan(0);
    expect(await total('sworn_run_cost_usd_total')).toBeCloseTo(cost, 9);
  });

  it('both say how many runs are open, of all tenants', async () => {
    for (const app of apps) {
      await expect.poll(() => total('sworn_runs_open', '', [app]), { timeout: 60_000, interval: 200 }).toBe(1);
    }
  });

  it('name no tenant', async () => {
    const [{ tenant_id: id } = { tenant_id: '-' }] = await site.admin<{ tenant_id: string }>(
      `select tenant_id from sworn.tenant where name = 'acme'`,
    );
    for (const app of apps) expect(await metricsOf(app)).not.toContain(id);
  });
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const at = (path: string): string => readFileSync(new URL(`../../../docs/operate/${path}`, import.meta.url), 'utf8');
const rules = (parse(at('prometheus-rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules);
const page = at('alerts.md');

/** Names of the metrics in an expression, by Prometheus's own grammar. */
function metricsIn(expr: string): string[] {
  const names: string[] = [];
  parser.parse(expr).iterate({
    enter({ type, from, to, node }) {
      expect(type.isError, `${expr} at ${from}`).toBe(false);
      if (type.name === 'Identifier' && node.parent?.type.name === 'VectorSelector') names.push(expr.slice(from, to));
    },
  });
  return names;
}

describe('the alert templates', () => {
  it('are of metrics that are there', async () => {
    const text = await metricsOf(apps[0] as RunningApp);
    const kinds = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', kind = '']) => [name, kind]));
    const isThere = (name: string) =>
      name === 'up' ||
      ['counter', 'gauge'].includes(kinds.get(name) ?? '') ||
      kinds.get(name.replace(/_(bucket|count|sum)$/, '')) === 'histogram';
    const used = rules.flatMap(({ expr }) => metricsIn(expr));
    expect(used.length).toBeGreaterThan(rules.length);
    expect(used.filter((name) => !isThere(name))).toEqual([]);
    // Each of ours is explained, and no other; a database by URL has its disk elsewhere.
    const explained = new Set([...page.matchAll(/^\| `(sworn_\w+)/gm)].map(([, name]) => name));
    expect(explained.delete('sworn_database_disk_free_bytes')).toBe(true);
    expect(explained).toEqual(new Set([...kinds.keys()].filter((name) => name.startsWith('sworn_'))));
  });

  it('use what YAML and JSON can read', () => {
    for (const [, language, text = ''] of page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)) {
      if (language === 'json') expect(() => JSON.parse(text) as unknown, text).not.toThrow();
      if (language !== 'yaml') continue;
      for (const document of parseAllDocuments(text)) expect(document.errors, text).toEqual([]);
    }
  });

  it('link to what is served, with parameters that are taken', () => {
    const all = `${page}\n${rules.flatMap((rule) => Object.values(rule.annotations)).join('\n')}`;
    const links = [...all.matchAll(/https:\/\/sworn\.example(\/[^\s`'"|)>]*)/g)].map(([, path = '']) => path);
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) {
      const [path = '', query = ''] = link.split('?');
      const deep = DEEP_LINKS.find((one) => path.startsWith(one.path.slice(0, 3)));
      const endpoint = ENDPOINTS.find((one) => one.path === path);
      expect(deep ?? endpoint, link).toBeDefined();
      const id = path.slice(3);
      // A placeholder stands for an id; anything else is one.
      if (deep !== undefined && !/^[<{$]/.test(id)) expect(deep.target(id), link).not.toBeNull();
      if (endpoint === undefined) continue;
      const parameters = new Map(parametersOf(endpoint));
      for (const [name, value] of new URLSearchParams(query)) {
        expect(accepts(parameters.get(name) ?? { enum: [] }, value), link).toBe(true);
      }
    }
  });
});
