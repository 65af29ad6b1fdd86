/** Sequences drafts in a process of its own, which kills itself at a statement it is told. Says what was acknowledged in one line of JSON. */
import pg from 'pg';
import { createClockGuard } from '../src/record/clockGuard.js';
import { createSequencer } from '../src/record/sequencer.js';
import type { DatabaseAddress } from '../src/store/address.js';
import { openDatabase } from '../src/store/database.js';
import { readDrafts } from './draftFile.js';

/** When a statement is fatal: not sent yet; sent, its fate unknown; answered. */
export type Moment = 'before' | 'sent' | 'answered';

/** What the process is to do. */
export interface Order {
  readonly address: DatabaseAddress;
  readonly rolePrefix: string;
  readonly password: string;
  /** Hex. */
  readonly recorderKey: string;
  readonly deploymentId: string;
  readonly tenantId: string;
  /** Written by `writeDrafts`. */
  readonly drafts: string;
  /** Counted from the first `begin`, 1 on; a COPY counts twice, for its statement and for its rows. */
  readonly statement: number;
  readonly moment: Moment;
}

/** What it says when it lives to the end. */
export interface Acknowledged {
  readonly statements: number;
  readonly outcomes: readonly string[];
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
let statements = 0;
let counting = false;

/** Counts `act` as a statement, and dies of it when its turn has come. */
function count<T>(act: () => T): { readonly result: T; readonly isFatal: boolean } {
  const isFatal = ++statements === order.statement;
  if (isFatal && order.moment === 'before') die();
  const result = act();
  if (isFatal && order.moment === 'sent') die();
  return { result, isFatal };
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** The members of a query of our own that COPY answers are told to (store/copyBinary.ts). */
interface CopyQuery {
  handleCopyInResponse(connection: unknown): void;
  handleReadyForQuery(): void;
}

type AnyQuery = (this: pg.Client, ...args: unknown[]) => unknown;
const send = pg.Client.prototype.query as AnyQuery;
const counted: AnyQuery = function (this: pg.Client, ...args) {
  const [query] = args as [string | { text: string; submit?: unknown }];
  if ((typeof query === 'string' ? query : query.text).startsWith('begin')) counting = true;
  if (!counting) return send.apply(this, args);
  let dieWhenAnswered = false;
  if (typeof query === 'object' && query.submit !== undefined) {
    const copy = query as unknown as CopyQuery;
    const [sendRows, ready] = [copy.handleCopyInResponse.bind(copy), copy.handleReadyForQuery.bind(copy)];
    copy.handleCopyInResponse = (connection) => {
      if (dieWhenAnswered) die();
      dieWhenAnswered = count(() => sendRows(connection)).isFatal;
    };
    copy.handleReadyForQuery = () => {
      if (dieWhenAnswered) die();
      ready();
    };
  }
  const { result, isFatal } = count(() => send.apply(this, args));
  if (!isFatal) return result;
  if (result instanceof Promise) return result.then(die);
  dieWhenAnswered = true;
  return result;
};
pg.Client.prototype.query = counted as typeof pg.Client.prototype.query;

const db = openDatabase({ address: order.address, rolePrefix: order.rolePrefix, passwordOf: () => order.password });
const sequencer = createSequencer({
  db,
  role: 'writer',
  recorderKey: Buffer.from(order.recorderKey, 'hex'),
  originOf: (tenantId, log) => `${order.deploymentId}/${tenantId}/${log}`,
  clock: createClockGuard(() => performance.now()),
  onCommit: () => undefined,
});
const appended = await sequencer.append(order.tenantId, readDrafts(order.drafts));
const said: Acknowledged = { statements, outcomes: appended.map(({ outcome }) => outcome) };
process.stdout.write(JSON.stringify(said));
await db.close();
