import { utf8 } from '@sworn/evidence';
import { type Database, inTenant } from '../store/database.js';
import { insertDirectory, readDirectory } from '../store/directory.js';
import { type BodyAddress, openValue, sealValue } from './body.js';
import { type DataKeys, dayScope } from './dataKeys.js';

/** Tokens remembered as entered, so that a person's thousandth span asks nothing of the database. */
const TOKENS_REMEMBERED = 65_536;
/** Entries sealed and inserted at a time: a request may name a hundred thousand people, and others have their turn in between. */
const ENTERED_AT_ONCE = 1_024;
/** Longest value that has an entry; a longer one is no id of a person. Its token stands in leaves all the same. */
const MAX_VALUE_BYTES = 1_024;

/**
 * Token → person, encrypted, in a table that erasure reaches: each entry under a data key of its own, so that one person goes
 * without another. Leaves hold the token alone.
 */
export interface Directory {
  /** Resolves when all are entered; the first value of a token stays. */
  enter(tenantId: string, values: ReadonlyMap<string, string>): Promise<void>;
  /** The values of tokens; an erased or unknown one is absent. */
  look(tenantId: string, tokens: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export function createDirectory(deps: {
  readonly db: Database;
  readonly dataKeys: DataKeys;
  readonly role: 'writer' | 'recorder' | 'reader';
}): Directory {
  const { db, dataKeys, role } = deps;
  const entered = new Set<string>();

  return {
    async enter(tenantId, values) {
      const fresh = [...values].filter(
        ([name, value]) => !entered.has(`${tenantId}/${name}`) && utf8(value).length <= MAX_VALUE_BYTES,
      );
      if (fresh.length === 0) return;
      const scopeOf = (name: string) => dayScope('directory', name, '');
      const keys = await dataKeys.forScopes(
        tenantId,
        fresh.map(([name]) => scopeOf(name)),
      );
      for (let from = 0; from < fresh.length; from += ENTERED_AT_ONCE) {
        const rows = fresh.slice(from, from + ENTERED_AT_ONCE).flatMap(([name, value]) => {
          const key = keys.get(scopeOf(name));
          return key === undefined
            ? []
            : [{ token: name, value: sealValue(key, addressOf(tenantId, name), utf8(value)), dk: key.id }];
        });
        await inTenant(db, role, tenantId, (tx) => insertDirectory(tx, tenantId, rows));
        if (entered.size + rows.length > TOKENS_REMEMBERED) entered.clear();
        for (const row of rows) entered.add(`${tenantId}/${row.token}`);
      }
    },
    async look(tenantId, tokens) {
      const rows = await inTenant(db, role, tenantId, (tx) => readDirectory(tx, tenantId, tokens));
      const keys = await dataKeys.open(
        tenantId,
        rows.map((row) => row.dk),
      );
      const values = new Map<string, string>();
      for (const row of rows) {
        const key = keys.get(row.dk);
        const value =
          key === undefined ? null : openValue(key, addressOf(tenantId, row.token), row.value, MAX_VALUE_BYTES);
        if (value !== null) values.set(row.token, Buffer.from(value).toString('utf8'));
      }
      return values;
    },
  };
}

function addressOf(tenantId: string, name: string): BodyAddress {
  return { origin: `directory/${tenantId}`, eventKey: utf8(name), path: 'value' };
}
