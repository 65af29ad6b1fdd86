import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { EMPTY_ROOT, equalBytes, hex, treeHash } from '@sworn/evidence';
import { testDatabase, type TestDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClockJumped, createClockGuard } from '../src/record/clockGuard.js';
import type { LeafDraft } from '../src/record/draft.js';
import { ownLeaf } from '../src/record/ownLeaf.js';
import { createSequencer, LogWentBack, type Sequencer } from '../src/record/sequencer.js';
import { inTenant, openDatabase, type Database } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';

const recorderKey = randomBytes(32);
const originOf = (tenantId: string, log: string): string => `test/${tenantId}/${log}`;
let database: TestDatabase;
let tenantId: string;

beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());
beforeEach(async () => {
  tenantId = await newTenant();
});

async function newTenant(): Promise<string> {
  const id = randomUUID();
  await inTenant(database.db, 'recorder', id, (tx) =>
    insertTenant(tx, { tenantId: id, name: 'test', synthetic: true, platform: false }, EMPTY_ROOT),
  );
  return id;
}

function sequencerOn(db: Database, monotonicMs = () => performance.now()): Sequencer {
  return createSequencer({
    db,
    role: 'writer',
    recorderKey,
    originOf,
    clock: createClockGuard(monotonicMs),
    onCommit: () => undefined,
  });
}

/** A leaf with an identity of its own; `bytes` stands for what was sent. */
function draft(name: string, bytes = name, tenant = tenantId): LeafDraft {
  const made = ownLeaf({
    topic: 'audit',
    origin: originOf(tenant, 'audit'),
    kind: 'NOTE',
    identity: [name],
    occurredAt: '2026-11-25T00:00:00.000000Z',
    fields: { name },
    projection: null,
  });
  const digest = createHash('sha256').update(bytes).digest();
  return {
    ...made,
    digest,
    conflict: (first) =>
      Promise.resolve({
        ...ownLeaf({
          topic: 'audit',
          origin: originOf(tenant, 'audit'),
          kind: 'CONFLICT',
          identity: [name, hex(digest)],
          occurredAt: made.occurredAt,
          fields: { first: first.index },
          projection: null,
        }),
        digest,
      }),
  };
}

interface StoredLeaf {
  leaf_index: number;
  kind: string;
  leaf: Uint8Array;
  leaf_hash: Uint8Array;
  event_key: Uint8Array;
  recorded_at: string;
}

async function storedLeaves(tenant = tenantId): Promise<StoredLeaf[]> {
  return database.admin<StoredLeaf>(
    `select leaf_index::int, kind, leaf, leaf_hash, event_key, recorded_at::text from sworn.leaf where tenant_id = $1 and log = 'audit' order by leaf_index`,
    [tenant],
  );
}

/** Dense, hashed, in the order of time, and under the root that the head has: what every history must leave behind. */
async function expectSoundLog(tenant = tenantId): Promise<StoredLeaf[]> {
  const leaves = await storedLeaves(tenant);
  leaves.forEach((row, i) => {
    expect(row.leaf_index).toBe(i);
    expect(hex(row.leaf_hash)).toBe(createHash('sha256').update(Buffer.of(0)).update(row.leaf).digest('hex'));
    if (i > 0) expect(row.recorded_at >= (leaves[i - 1]?.recorded_at ?? '')).toBe(true);
  });
  const [head] = await database.admin<{ root: Uint8Array; next_index: number }>(
    `select root, next_index::int from sworn.log_head where tenant_id = $1 and log = 'audit'`,
    [tenant],
  );
  expect(head?.next_index).toBe(leaves.length);
  expect(equalBytes(head?.root ?? EMPTY_ROOT, treeHash(leaves.map((l) => l.leaf_hash)))).toBe(true);
  const batches = await database.admin<{ first: number; count: number; before: Uint8Array; after: Uint8Array }>(
    `select first_index::int as first, count::int, root_before as before, root_after as after from sworn.batch_authenticator where tenant_id = $1 and log = 'audit' order by first_index`,
    [tenant],
  );
  let at = 0;
  let root: Uint8Array = EMPTY_ROOT;
  for (const batch of batches) {
    expect(batch.first).toBe(at);
    expect(hex(batch.before)).toBe(hex(root));
    at += batch.count;
    root = batch.after;
  }
  expect(at).toBe(leaves.length);
  return leaves;
}

describe('the sequencer', () => {
  it('numbers densely, hashes what it stores, and keeps the root of all of it', async () => {
    const sequencer = sequencerOn(database.db);
    const appended = await sequencer.append(
      tenantId,
      Array.from({ length: 700 }, (_, i) => draft(`n${i}`)),
    );
    expect(appended.map((a) => a.index)).toEqual(Array.from({ length: 700 }, (_, i) => i));
    const again = await Promise.all(
      Array.from({ length: 40 }, (_, i) => sequencer.append(tenantId, [draft(`m${i}`), draft(`k${i}`)])),
    );
    expect(again.flat()).toHaveLength(80);
    const leaves = await expectSoundLog();
    expect(leaves).toHaveLength(780);
    const tiles = await database.admin<{ level: number; tile_index: number; hashes: Uint8Array }>(
      `select level, tile_index::int, hashes from sworn.tile where tenant_id = $1 and log = 'audit' order by level, tile_index`,
      [tenantId],
    );
    expect(tiles.map((t) => `${t.level}/${t.tile_index}`)).toEqual(['0/0', '0/1', '0/2']);
    expect(hex(tiles[1]?.hashes.subarray(0, 32) ?? EMPTY_ROOT)).toBe(hex(leaves[256]?.leaf_hash ?? EMPTY_ROOT));
  });

  it('writes the tile of the second level when 65,536 leaves are in, also when restarts lie between', async () => {
    for (let part = 0; part < 9; part++) {
      const sequencer = sequencerOn(database.db);
      await sequencer.append(
        tenantId,
        Array.from({ length: 7300 }, (_, i) => draft(`p${part}-${i}`)),
      );
      await sequencer.close();
    }
    const hashes = (
      await database.admin<{ leaf_hash: Uint8Array }>(
        `select leaf_hash from sworn.leaf where tenant_id = $1 and log = 'audit' order by leaf_index`,
        [tenantId],
      )
    ).map((r) => r.leaf_hash);
    const [upper] = await database.admin<{ hashes: Uint8Array }>(
      `select hashes from sworn.tile where tenant_id = $1 and log = 'audit' and level = 1 and tile_index = 0`,
      [tenantId],
    );
    expect(hashes).toHaveLength(65_700);
    const expected = Array.from({ length: 256 }, (_, t) => treeHash(hashes.slice(t * 256, (t + 1) * 256)));
    expect(hex(upper?.hashes ?? EMPTY_ROOT)).toBe(expected.map(hex).join(''));
  }, 120_000);

  it('stores a call of ten thousand in several transactions, and answers for each of its drafts', async () => {
    const sequencer = sequencerOn(database.db);
    const drafts = Array.from({ length: 10_000 }, (_, i) => draft(`n${i}`));
    const appended = await sequencer.append(tenantId, drafts);
    expect(appended.map((a) => a.index)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    await expectSoundLog();
    const batches = await database.admin<{ count: number }>(
      `select count::int from sworn.batch_authenticator where tenant_id = $1 order by first_index`,
      [tenantId],
    );
    expect(batches.map(({ count }) => count)).toEqual([4_096, 4_096, 1_808]);
    const again = await sequencer.append(tenantId, drafts);
    expect(new Set(again.map((a) => a.outcome))).toEqual(new Set(['duplicate']));
    await sequencer.close();
  });

  it('acknowledges a resend and stores it once', async () => {
    const sequencer = sequencerOn(database.db);
    const [first] = await sequencer.append(tenantId, [draft('a')]);
    const [inOneCall, twin] = await sequencer.append(tenantId, [draft('b'), draft('b')]);
    const [resent] = await sequencerOn(database.db).append(tenantId, [draft('a')]);
    expect(resent).toMatchObject({ outcome: 'duplicate', index: first?.index });
    expect(twin).toMatchObject({ outcome: 'duplicate', index: inOneCall?.index });
    expect(await expectSoundLog()).toHaveLength(2);
  });

  it('keeps a contradicting copy beside the first, and once', async () => {
    const sequencer = sequencerOn(database.db);
    await sequencer.append(tenantId, [draft('a', 'one')]);
    const [other, fresh] = await sequencer.append(tenantId, [draft('a', 'two'), draft('b')]);
    expect(other).toMatchObject({ outcome: 'conflict' });
    expect(fresh).toMatchObject({ outcome: 'stored' });
    await sequencer.append(tenantId, [draft('a', 'two')]);
    const leaves = await expectSoundLog();
    expect(leaves.map((l) => l.kind).sort()).toEqual(['CONFLICT', 'NOTE', 'NOTE']);
  });

  it('does not fork or deadlock when two processes write one log', async () => {
    const other = openDatabase({
      address: database.address,
      rolePrefix: database.rolePrefix,
      passwordOf: database.passwordOf,
    });
    const two = [sequencerOn(database.db), sequencerOn(other)];
    await Promise.all(
      two.flatMap((s, w) =>
        Array.from({ length: 60 }, (_, i) => s.append(tenantId, [draft(`w${w}-${i}`), draft(`both-${i}`)])),
      ),
    );
    const leaves = await expectSoundLog();
    expect(leaves).toHaveLength(180);
    await other.close();
  });

  it('loses nothing and stores nothing twice when its connections are cut again and again', async () => {
    const sequencer = sequencerOn(database.db);
    let cuts = 0;
    const cutting = (async () => {
      for (; cuts < 40; cuts++) {
        await database.admin(
          `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and datname = current_database()`,
          [`${database.rolePrefix}_writer`],
        );
        await new Promise((r) => setTimeout(r, 20 + Math.random() * 40));
      }
    })();
    const acknowledged: string[] = [];
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        for (let round = 0, isCut = true; isCut; round++) {
          isCut = cuts < 40;
          const name = `c${i}-${round}`;
          for (let sent = false; !sent; ) {
            sent = await sequencer.append(tenantId, [draft(name)]).then(
              () => true,
              () => false,
            );
          }
          acknowledged.push(name);
        }
      }),
    );
    await cutting;
    const leaves = await expectSoundLog();
    expect(leaves).toHaveLength(acknowledged.length);
    expect(new Set(leaves.map((l) => hex(l.event_key))).size).toBe(leaves.length);
  }, 60_000);

  it('costs the other calls nothing when one of a batch is refused', async () => {
    const sequencer = sequencerOn(database.db);
    const bad: LeafDraft = { ...draft('bad'), occurredAt: 'not a time' };
    const results = await Promise.allSettled([
      sequencer.append(tenantId, [draft('x')]),
      sequencer.append(tenantId, [bad]),
      sequencer.append(tenantId, [draft('y')]),
    ]);
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await expectSoundLog()).toHaveLength(2);
  });

  it('cannot write Sworn’s own logs in the writer’s role', async () => {
    const own = ownLeaf({
      topic: 'control',
      origin: originOf(tenantId, 'control'),
      kind: 'KEY_CREATED',
      identity: ['k'],
      occurredAt: '2026-11-25T00:00:00.000000Z',
      fields: {},
      projection: null,
    });
    await expect(sequencerOn(database.db).append(tenantId, [own])).rejects.toThrow();
    expect(await database.admin(`select 1 from sworn.leaf where tenant_id = $1`, [tenantId])).toHaveLength(0);
  });

  it('stops when the clocks part by more than a minute, and goes on when told', async () => {
    let ahead = 0;
    const clock = createClockGuard(() => performance.now() + ahead);
    const sequencer = createSequencer({
      db: database.db,
      role: 'writer',
      recorderKey,
      originOf,
      clock,
      onCommit: () => undefined,
    });
    await sequencer.append(tenantId, [draft('before')]);
    ahead = -61_000;
    await expect(sequencer.append(tenantId, [draft('during')])).rejects.toThrow(ClockJumped);
    await expect(sequencer.append(tenantId, [draft('during')])).rejects.toThrow(ClockJumped);
    clock.accept();
    await sequencer.append(tenantId, [draft('during')]);
    expect(await expectSoundLog()).toHaveLength(2);
  });

  it('never lets recorded_at go back when the database clock does', async () => {
    await sequencerOn(database.db).append(tenantId, [draft('a')]);
    await database.admin(`set session_replication_role = replica`);
    await database.admin(
      `update sworn.log_head set last_recorded_at = clock_timestamp() + interval '30 seconds' where tenant_id = $1`,
      [tenantId],
    );
    await database.admin(`set session_replication_role = origin`);
    await sequencerOn(database.db).append(tenantId, [draft('b')]);
    const leaves = await expectSoundLog();
    expect((leaves[1]?.recorded_at ?? '') > (leaves[0]?.recorded_at ?? '')).toBe(true);
  });

  it('appends nothing to a log that went back behind what it committed, however often it is asked', async () => {
    const sequencer = sequencerOn(database.db);
    await sequencer.append(tenantId, [draft('a')]);
    const [head] = await database.admin(`select * from sworn.log_head where tenant_id = $1 and log = 'audit'`, [
      tenantId,
    ]);
    await sequencer.append(tenantId, [draft('b')]);
    await database.admin(`set session_replication_role = replica`);
    await database.admin(
      `update sworn.log_head set next_index = $2, frontier = $3, root = $4 where tenant_id = $1 and log = 'audit'`,
      [tenantId, head?.next_index, head?.frontier, head?.root],
    );
    await database.admin(`delete from sworn.leaf where tenant_id = $1 and leaf_index = 1`, [tenantId]);
    await database.admin(`set session_replication_role = origin`);
    for (let i = 0; i < 2; i++) await expect(sequencer.append(tenantId, [draft('c')])).rejects.toThrow(LogWentBack);
  });

  it('vouches for the tree that was committed, also where leaf hashes were changed under it before it started', async () => {
    await sequencerOn(database.db).append(tenantId, [draft('a'), draft('b')]);
    const [before] = await storedLeaves();
    const change = (hash: Uint8Array | undefined) =>
      database.admin(`update sworn.leaf set leaf_hash = $2 where tenant_id = $1 and log = 'audit' and leaf_index = 0`, [
        tenantId,
        hash,
      ]);
    await database.admin(`set session_replication_role = replica`);
    await change(randomBytes(32));
    const sequencer = sequencerOn(database.db);
    await sequencer.append(tenantId, [draft('c')]);
    await sequencer.append(tenantId, [draft('d')]);
    await change(before?.leaf_hash);
    await database.admin(`set session_replication_role = origin`);
    expect(await expectSoundLog()).toHaveLength(4);
  });
});
