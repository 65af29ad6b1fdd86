import type pg from 'pg';
import type { Database, Role } from '../src/store/database.js';

/** When a statement is fatal: not sent yet; sent, its fate unknown; answered. */
export type Moment = 'before' | 'sent' | 'answered';

/** Which statement is fatal. */
export interface Fate {
  /** Counted from the first `begin`, 1 on; a COPY counts twice, for its statement and for its rows. */
  readonly statement: number;
  readonly moment: Moment;
}

/** The members of a query of our own that COPY answers are told to (store/copyBinary.ts). */
interface CopyQuery {
  handleCopyInResponse(connection: unknown): void;
  handleReadyForQuery(): void;
}

/** A database whose user dies of a statement. `die` ends the user, or the connection it is given; what was asked then is never answered. */
export function mortal(db: Database, { statement, moment }: Fate, die: (client: pg.PoolClient) => void): Database {
  let statements = 0;
  let isDead = false;
  const never = (): Promise<never> => new Promise(() => undefined);

  function lent(client: pg.PoolClient): pg.PoolClient {
    const dead = (): Promise<never> => {
      isDead = true;
      die(client);
      return never();
    };
    const send = client.query.bind(client) as (query: unknown) => unknown;
    const query = (asked: unknown): unknown => {
      if (isDead) return never();
      const isFatal = ++statements === statement;
      if (isFatal && moment === 'before') return dead();
      const copy = typeof asked === 'object' && asked !== null && 'submit' in asked ? asked : null;
      let dieWhenAnswered = isFatal && moment === 'answered';
      if (copy !== null) {
        const telling = copy as unknown as CopyQuery;
        const [sendRows, ready] = [telling.handleCopyInResponse.bind(copy), telling.handleReadyForQuery.bind(copy)];
        telling.handleCopyInResponse = (connection) => {
          if (isDead) return;
          const areFatal = !dieWhenAnswered && ++statements === statement;
          const dieNow = dieWhenAnswered || (areFatal && moment === 'before');
          if (!dieNow) sendRows(connection);
          if (dieNow || (areFatal && moment === 'sent')) void dead();
          dieWhenAnswered = areFatal;
        };
        telling.handleReadyForQuery = () => {
          if (isDead) return;
          if (dieWhenAnswered) void dead();
          else ready();
        };
      }
      const result = send(asked);
      if (isFatal && moment === 'sent') {
        if (result instanceof Promise) result.catch(() => undefined);
        return dead();
      }
      if (dieWhenAnswered && result instanceof Promise) return result.then(dead);
      return result;
    };
    return asking(client, query);
  }

  return lending(db, async (take) => (isDead ? never() : lent(await take())));
}

/** A database that lends its connections by `lend`, which takes them. */
export function lending(
  db: Database,
  lend: (take: () => Promise<pg.PoolClient>, role: Role) => Promise<pg.PoolClient>,
): Database {
  return {
    ...db,
    as(role) {
      const pool = db.as(role);
      const connect = () => lend(() => pool.pool.connect(), role);
      return { ...pool, pool: { connect } as pg.Pool, bypassesRowSecurity: () => pool.bypassesRowSecurity() };
    },
  };
}

/** A connection that asks by `query` in place of its own. */
export function asking(client: pg.PoolClient, query: (asked: unknown) => unknown): pg.PoolClient {
  return new Proxy(client, {
    get(target, name) {
      if (name === 'query') return query;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** What the kernel does with a connection whose process is gone: what was written arrives, and nothing after it. */
export function cut(client: pg.PoolClient): void {
  (client as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream.destroy();
  client.release(true);
}
