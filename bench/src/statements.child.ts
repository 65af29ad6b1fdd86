/**
 * Runs a server in this process, asks it questions, and reports what it asked of its database for each: the driver is the one that the server
 * uses, and is listened to. Takes its orders as JSON on standard input.
 */
import { Agent } from 'node:http';
import { text } from 'node:stream/consumers';
import { readConfig, startApp } from '@sworn/server';
import pg from 'pg';
import { get } from './reads/get.js';
import type { Asked, RecorderOrder } from './reads/statements.js';

/** How a transaction begins that answers a question: no other reads one snapshot. */
const READING = 'begin isolation level repeatable read read only';

const order = JSON.parse(await text(process.stdin)) as RecorderOrder;
const reading = new Set<pg.Client>();
let asked: Asked[] = [];
listen();

const app = await startApp(readConfig(process.env));
const agent = new Agent({ keepAlive: true });
const recorded: Asked[][] = [];
for (const { path, accept } of order.asks) {
  asked = [];
  const { status } = await get({ agent, readerKey: order.readerKey }, `${app.addresses.http}${path}`, accept);
  if (status !== 200) throw new Error(`${path} was answered ${status}`);
  if (asked.length === 0) throw new Error(`${path} was answered without a transaction that begins ${READING}`);
  recorded.push(asked);
}
agent.destroy();
await app.stop();
process.stdout.write(JSON.stringify(recorded));

function listen(): void {
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]): unknown {
    const statement = statementOf(args[0]);
    // The checks read in the same way beside it, as another role.
    if (statement.text.startsWith(READING) && String(this.user).endsWith('_reader')) reading.add(this);
    if (reading.has(this)) asked.push(statement);
    if (/^(commit|rollback)/i.test(statement.text)) reading.delete(this);
    return Reflect.apply(query, this, args);
  } as typeof query;
}

function statementOf(query: unknown): Asked {
  if (typeof query === 'string') return { text: query, values: null, name: null };
  const { text: sql, values, name } = query as { text: string; values?: unknown[]; name?: string };
  return { text: sql, values: values?.map(sendable) ?? null, name: name ?? null };
}

function sendable(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  return Array.isArray(value) ? value.map(sendable) : value;
}
