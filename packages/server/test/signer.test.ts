import { execFileSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EMPTY_ROOT,
  encodeFrontier,
  extendFrontier,
  decodeFrontier,
  frontierRoot,
  hex,
  leafHash,
  parseCheckpoint,
  treeHash,
} from '@sworn/evidence';
import { testDatabase, type TestDatabase } from '@sworn/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { authenticate } from '../src/record/authenticator.js';
import { createClockGuard } from '../src/record/clockGuard.js';
import { openKeyStore, type KeyStore } from '../src/record/keyStore.js';
import { ownLeaf } from '../src/record/ownLeaf.js';
import { createSequencer, type Sequencer } from '../src/record/sequencer.js';
import type { SignerFinding } from '../src/sign/finding.js';
import { openJournal, type SignerMemory } from '../src/sign/journal.js';
import { createSigner, type Signer } from '../src/sign/signer.js';
import { inTenant } from '../src/store/database.js';
import { insertTenant } from '../src/store/tenant.js';
import { signsAll } from './soleKey.js';

const originOf = (tenantId: string, log: string): string => `test/${tenantId}/${log}`;
let database: TestDatabase;
let keyStore: KeyStore;
let dir: string;
let tenantId: string;
let audit: Sequencer;

beforeAll(async () => {
  database = await testDatabase();
  dir = mkdtempSync('/tmp/sworn-signer-');
  keyStore = await openKeyStore({ keyDir: join(dir, 'keys'), dataDir: join(dir, 'data'), now: Date.now });
});
afterAll(async () => {
  await database.drop();
  rmSync(dir, { recursive: true });
});
beforeEach(async () => {
  tenantId = randomUUID();
  await inTenant(database.db, 'recorder', tenantId, (tx) =>
    insertTenant(tx, { tenantId, name: 'test', synthetic: true, platform: false }, EMPTY_ROOT),
  );
  audit = sequencer('writer');
});

function sequencer(role: 'writer' | 'recorder'): Sequencer {
  return createSequencer({
    db: database.db,
    role,
    recorderKey: keyStore.deployment.recorder,
    originOf,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
  });
}

/** Appends `count` leaves to `audit`. */
async function grow(count: number, by = audit): Promise<void> {
  await by.append(
    tenantId,
    Array.from({ length: count }, () =>
      ownLeaf({
        topic: 'audit',
        origin: originOf(tenantId, 'audit'),
        kind: 'NOTE',
        identity: [randomUUID()],
        occurredAt: '2026-11-25T00:00:00.000000Z',
        fields: {},
        projection: null,
      }),
    ),
  );
}

interface Seat {
  readonly signer: Signer;
  readonly findings: SignerFinding[];
  round(): Promise<void>;
}

/** A signer process with the memory in `journal`; `holds`: whether it has the lease when it comes to publishing. */
function seat(journal: string, { memory = openJournal(journal), holds = (): boolean => true } = {}): Seat {
  const findings: SignerFinding[] = [];
  const signer = createSigner({
    db: database.db,
    memory,
    ...signsAll(keyStore.noteSigner),
    recorderKey: keyStore.deployment.recorder,
    originOf,
    onFinding: (finding) => findings.push(finding),
    holdsLease: () => Promise.resolve(holds()),
  });
  return { signer, findings, round: () => signer.signTenant(tenantId) };
}

function newJournal(): string {
  return mkdtempSync(join(dir, 'journal-'));
}

interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

async function checkpoints(): Promise<StoredCheckpoint[]> {
  return database.admin<StoredCheckpoint>(
    `select size::int, root, note from sworn.checkpoint where tenant_id = $1 and log = 'audit' order by size`,
    [tenantId],
  );
}

async function leafHashes(): Promise<Uint8Array[]> {
  const rows = await database.admin<{ leaf: Uint8Array }>(
    `select leaf from sworn.leaf where tenant_id = $1 and log = 'audit' order by leaf_index`,
    [tenantId],
  );
  return rows.map((row) => leafHash(row.leaf));
}

/** Runs statements past triggers and row-level security, as a superuser can. */
async function asAttacker(...statements: readonly (readonly [text: string, ...values: unknown[]])[]): Promise<void> {
  await database.admin(`set session_replication_role = replica`);
  for (const [text, ...values] of statements) await database.admin(text, values);
  await database.admin(`set session_replication_role = origin`);
}

/** A superuser's append that is coherent in itself: leaf, frontier, root and head agree; `mac` null leaves the authenticator out. */
async function coherentAppend(mac: Uint8Array | null): Promise<void> {
  const [head] = await database.admin<{ next_index: number; frontier: Uint8Array; root: Uint8Array; at: string }>(
    `select next_index::int, frontier, root, to_char(last_recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
       from sworn.log_head where tenant_id = $1 and log = 'audit'`,
    [tenantId],
  );
  if (head === undefined) throw new Error('no head');
  const forged = ownLeaf({
    topic: 'audit',
    origin: originOf(tenantId, 'audit'),
    kind: 'NOTE',
    identity: [randomUUID()],
    occurredAt: head.at,
    fields: { forged: true },
    projection: null,
  });
  forged.leaf.set(Buffer.from(head.at), forged.recordedAtOffset);
  const hash = leafHash(forged.leaf);
  const frontier = extendFrontier(decodeFrontier(head.next_index, head.frontier), [hash]);
  const root = frontierRoot(frontier);
  await asAttacker(
    [
      `insert into sworn.leaf (tenant_id, log, leaf_index, kind, leaf, leaf_hash, event_key, occurred_at, recorded_at, digest)
       values ($1, 'audit', $2, 'NOTE', $3, $4, $5, $6, $6, $5)`,
      tenantId,
      head.next_index,
      forged.leaf,
      hash,
      forged.eventKey,
      head.at,
    ],
    [
      `update sworn.log_head set next_index = next_index + 1, frontier = $2, root = $3 where tenant_id = $1 and log = 'audit'`,
      tenantId,
      encodeFrontier(frontier),
      root,
    ],
  );
  if (mac === null) return;
  await asAttacker([
    `insert into sworn.batch_authenticator (tenant_id, log, first_index, count, root_before, root_after, at, mac) values ($1, 'audit', $2, 1, $3, $4, $5, $6)`,
    tenantId,
    head.next_index,
    head.root,
    root,
    head.at,
    mac,
  ]);
}

describe('the signer', () => {
  it('signs the committed size and the root of exactly the stored leaves', async () => {
    const { round, findings } = seat(newJournal());
    await grow(700);
    await round();
    await grow(1);
    await round();
    const [first, second] = await checkpoints();
    const hashes = await leafHashes();
    expect([first?.size, second?.size]).toEqual([700, 701]);
    expect(hex(first?.root ?? EMPTY_ROOT)).toBe(hex(treeHash(hashes.slice(0, 700))));
    expect(hex(second?.root ?? EMPTY_ROOT)).toBe(hex(treeHash(hashes)));
    expect(parseCheckpoint(second?.note ?? '')).toMatchObject({ origin: originOf(tenantId, 'audit'), size: 701 });
    expect(findings).toEqual([]);
  });

  it('writes a note whose signature openssl verifies', async () => {
    const { round } = seat(newJournal());
    await grow(3);
    await round();
    const { note } = (await checkpoints())[0] ?? { note: '' };
    const parsed = parseCheckpoint(note);
    const at = newJournal();
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), keyStore.noteSigner.publicKey]);
    writeFileSync(
      join(at, 'key.pem'),
      `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`,
    );
    writeFileSync(join(at, 'text'), parsed.note.text);
    writeFileSync(join(at, 'signature'), parsed.note.signatures[0]?.signature ?? '');
    const verify = (file: string) =>
      execFileSync(
        'openssl',
        ['pkeyutl', '-verify', '-pubin', '-inkey', 'key.pem', '-rawin', '-in', file, '-sigfile', 'signature'],
        { cwd: at, encoding: 'utf8', stdio: 'pipe' },
      );
    expect(verify('text')).toContain('Signature Verified Successfully');
    writeFileSync(join(at, 'other'), parsed.note.text.replace('\n3\n', '\n4\n'));
    expect(() => verify('other')).toThrow();
  });

  it('makes one checkpoint a round, however many batches came, and none for a log that did not grow', async () => {
    const { round } = seat(newJournal());
    await round();
    expect(await checkpoints()).toEqual([]);
    for (let i = 0; i < 5; i++) await grow(1);
    await round();
    await round();
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([5]);
  });

  it('follows thousands of batches to the head', async () => {
    const { round } = seat(newJournal());
    for (let i = 0; i < 1300; i++) await grow(1);
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([1300]);
  });

  it('signs the very same bytes again when it died between its memory and the checkpoint', async () => {
    const journal = newJournal();
    const published = seat(journal);
    await grow(4);
    await published.round();
    const [{ note } = { note: '' }] = await checkpoints();
    await asAttacker([`delete from sworn.checkpoint where tenant_id = $1`, tenantId]);
    const { round, findings } = seat(journal);
    await round();
    expect((await checkpoints()).map((c) => c.note)).toEqual([note]);
    expect(findings).toEqual([]);
  });

  it('goes on from its memory when the log grew after such a death', async () => {
    const journal = newJournal();
    await grow(4);
    await seat(journal).round();
    await asAttacker([`delete from sworn.checkpoint where tenant_id = $1`, tenantId]);
    await grow(3);
    const { round, findings } = seat(journal);
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([7]);
    expect(findings).toEqual([]);
  });

  it('signs nothing with a lost memory while the database holds checkpoints', async () => {
    await grow(4);
    await seat(newJournal()).round();
    await grow(1);
    const { round, findings, signer } = seat(newJournal());
    await round();
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([4]);
    expect(findings).toEqual([
      {
        finding: 'SIGNER_MEMORY_LOST',
        tenantId,
        log: 'audit',
        index: 0,
        expected: 'memory of size 4',
        found: 'no memory',
      },
    ]);
    expect(signer.open()).toHaveLength(1);
  });

  it('signs nothing with an older memory', async () => {
    const journal = newJournal();
    await grow(4);
    await seat(journal).round();
    const older = readFileSync(join(journal, 'journal.ndjson'));
    await grow(4);
    await seat(journal).round();
    writeFileSync(join(journal, 'journal.ndjson'), older);
    await grow(4);
    const { round, findings } = seat(journal);
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([4, 8]);
    expect(findings).toMatchObject([{ finding: 'SIGNER_MEMORY_LOST', index: 4 }]);
  });

  it('notices at once that its memory was deleted while it runs', async () => {
    const journal = newJournal();
    const { round, findings } = seat(journal);
    await grow(4);
    await round();
    rmSync(join(journal, 'journal.ndjson'));
    await grow(1);
    await round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([4]);
    expect(findings).toMatchObject([{ finding: 'SIGNER_MEMORY_LOST' }]);
  });

  it('takes up what another process wrote into the same memory', async () => {
    const journal = newJournal();
    const one = seat(journal);
    const other = seat(journal);
    for (let i = 0; i < 3; i++) {
      await grow(1);
      await one.round();
      await grow(1);
      await other.round();
    }
    expect((await checkpoints()).map((c) => c.size)).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...one.findings, ...other.findings]).toEqual([]);
  });

  it('accepts a log it never saw at size 0 only: the whole chain has to lead to its head', async () => {
    await grow(2);
    await grow(2);
    await asAttacker([`delete from sworn.batch_authenticator where tenant_id = $1 and first_index = 0`, tenantId]);
    const { round, findings } = seat(newJournal());
    await round();
    expect(await checkpoints()).toEqual([]);
    expect(findings).toMatchObject([{ finding: 'UNAUTHENTICATED_APPEND', index: 0 }]);
  });

  for (const [name, mac] of [
    ['without an authenticator', () => null],
    ['with an authenticator under another key', () => randomBytes(32)],
  ] as const) {
    it(`never signs a superuser's coherent append ${name}, while it runs and across a restart`, async () => {
      const journal = newJournal();
      const { round, findings } = seat(journal);
      await grow(3);
      await round();
      await coherentAppend(mac());
      await round();
      expect(findings).toMatchObject([{ finding: 'UNAUTHENTICATED_APPEND', log: 'audit', index: 3 }]);
      // Honest records go on behind the forged one, by the same sequencer and by one that knows nothing of before.
      await grow(2);
      await grow(2, sequencer('writer'));
      await round();
      const later = seat(journal);
      await later.round();
      expect(later.findings).toMatchObject([{ finding: 'UNAUTHENTICATED_APPEND', log: 'audit', index: 3 }]);
      expect((await checkpoints()).map((c) => c.size)).toEqual([3]);
      expect(await leafHashes()).toHaveLength(8);
    });
  }

  it('never signs an authenticator that was moved from another log or tenant', async () => {
    await grow(1);
    const [batch] = await database.admin<{ root_after: Uint8Array; at: string; count: number }>(
      `select root_after, count::int, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at from sworn.batch_authenticator where tenant_id = $1`,
      [tenantId],
    );
    if (batch === undefined) throw new Error('no batch');
    const elsewhere = authenticate(keyStore.deployment.recorder, {
      origin: originOf(tenantId, 'system'),
      first: 0,
      count: batch.count,
      rootBefore: EMPTY_ROOT,
      rootAfter: batch.root_after,
      at: batch.at,
    });
    await asAttacker([`update sworn.batch_authenticator set mac = $2 where tenant_id = $1`, tenantId, elsewhere]);
    const { round, findings } = seat(newJournal());
    await round();
    expect(await checkpoints()).toEqual([]);
    expect(findings).toMatchObject([{ finding: 'UNAUTHENTICATED_APPEND', index: 0 }]);
  });

  it('finds a log that is shorter than what it signed', async () => {
    const { round, findings } = seat(newJournal());
    await grow(3);
    await grow(2);
    await round();
    await asAttacker(
      [`delete from sworn.leaf where tenant_id = $1 and leaf_index >= 3`, tenantId],
      [`delete from sworn.batch_authenticator where tenant_id = $1 and first_index >= 3`, tenantId],
      [`delete from sworn.checkpoint where tenant_id = $1`, tenantId],
      [`update sworn.log_head set next_index = 3 where tenant_id = $1 and log = 'audit'`, tenantId],
    );
    await round();
    expect(await checkpoints()).toEqual([]);
    expect(findings).toMatchObject([{ finding: 'LOG_SHORTER_THAN_SIGNED', index: 3, found: '3 leaves' }]);
  });

  it('finds a tenant of which every row is gone', async () => {
    const { signer, round, findings } = seat(newJournal());
    await grow(3);
    await round();
    await asAttacker(
      ...['leaf', 'batch_authenticator', 'checkpoint', 'log_head', 'tenant'].map((table): [string, string] => [
        `delete from sworn.${table} where tenant_id = $1`,
        tenantId,
      ]),
    );
    expect([...signer.remembered()]).toEqual([tenantId]);
    await round();
    expect(findings).toMatchObject([
      { finding: 'LOG_SHORTER_THAN_SIGNED', log: 'audit', index: 0, found: 'no such log' },
    ]);
    expect(signer.open()).toHaveLength(1);
  });

  it('finds an older copy of a log that grew to the same size again, and does not publish for it what it signed of the other', async () => {
    const journal = newJournal();
    await grow(3);
    await seat(journal).round();
    await asAttacker(
      [`delete from sworn.leaf where tenant_id = $1`, tenantId],
      [`delete from sworn.batch_authenticator where tenant_id = $1`, tenantId],
      [`delete from sworn.checkpoint where tenant_id = $1`, tenantId],
      [
        `update sworn.log_head set next_index = 0, frontier = '', root = $2, last_recorded_at = null where tenant_id = $1 and log = 'audit'`,
        tenantId,
        EMPTY_ROOT,
      ],
    );
    await grow(3, sequencer('writer'));
    const { round, findings } = seat(journal);
    await round();
    expect(findings).toMatchObject([{ finding: 'LOG_DIFFERS_FROM_SIGNED', index: 3 }]);
    await grow(1, sequencer('writer'));
    await round();
    expect(findings).toMatchObject([{}, { finding: 'UNAUTHENTICATED_APPEND', index: 3 }]);
    expect(await checkpoints()).toEqual([]);
  });

  it('finds a head that somebody wrote while nothing grew', async () => {
    const { round, findings } = seat(newJournal());
    await grow(3);
    await round();
    await asAttacker([
      `update sworn.log_head set root = $2 where tenant_id = $1 and log = 'audit'`,
      tenantId,
      randomBytes(32),
    ]);
    await round();
    expect(findings).toMatchObject([{ finding: 'LOG_DIFFERS_FROM_SIGNED', index: 3 }]);
  });

  it('finds a log whose newest checkpoint is not the one it signed, also one that cannot be read', async () => {
    const journal = newJournal();
    await grow(3);
    await seat(journal).round();
    for (const note of [
      `${originOf(tenantId, 'audit')}\n3\n${Buffer.alloc(32).toString('base64')}\n\n— x AAAAAAA=\n`,
      'no note',
    ]) {
      await asAttacker([`update sworn.checkpoint set note = $2 where tenant_id = $1`, tenantId, note]);
      const { round, findings } = seat(journal);
      await grow(1);
      await round();
      expect(findings).toMatchObject([{ finding: 'LOG_DIFFERS_FROM_SIGNED', index: 3 }]);
      expect(await checkpoints()).toHaveLength(1);
    }
  });

  it('signs the other logs of a tenant that has one it refuses', async () => {
    const { round } = seat(newJournal());
    await coherentAppendFirst();
    await sequencer('recorder').append(tenantId, [
      ownLeaf({
        topic: 'control',
        origin: originOf(tenantId, 'control'),
        kind: 'CLOCK_ACCEPTED',
        identity: ['1'],
        occurredAt: '2026-11-25T10:00:00.000000Z',
        fields: {},
        projection: { table: 'control_records', kind: 'CLOCK_ACCEPTED', subject: null },
      }),
    ]);
    await round();
    const rows = await database.admin(`select log from sworn.checkpoint where tenant_id = $1`, [tenantId]);
    expect(rows).toEqual([{ log: 'control' }]);
  });

  async function coherentAppendFirst(): Promise<void> {
    await grow(1);
    await coherentAppend(null);
  }

  it('refuses a database that acknowledges before it is durable, for one role or for all, and signs when that ends', async () => {
    const { round, findings, signer } = seat(newJournal());
    const other = await testDatabase();
    await grow(1);
    const role = `${database.rolePrefix}_writer`;
    for (const value of ['off', 'FALSE']) {
      await database.admin(
        `alter role ${role} in database ${database.address.database} set synchronous_commit = ${value}`,
      );
      await round();
      expect(signer.open().map((f) => f.finding)).toContain('NOT_DURABLE');
      expect(findings.find((f) => f.log === 'audit')?.found).toBe(`synchronous_commit off for ${role}`);
    }
    await database.admin(`alter role ${role} in database ${database.address.database} reset synchronous_commit`);
    await database.admin(`alter database ${database.address.database} set synchronous_commit = off`);
    await round();
    expect(signer.open()).not.toEqual([]);
    expect(await checkpoints()).toEqual([]);
    await database.admin(`alter database ${database.address.database} reset synchronous_commit`);
    await other.admin(`alter database ${other.address.database} set synchronous_commit = off`);
    await round();
    expect(signer.open()).toEqual([]);
    expect((await checkpoints()).map((c) => c.size)).toEqual([1]);
    await other.drop();
  });

  it('neither publishes nor remembers when its lease went to another process meanwhile', async () => {
    const journal = newJournal();
    const late = seat(journal, { holds: () => false });
    const holder = seat(journal);
    await grow(2);
    await late.round();
    expect(await checkpoints()).toEqual([]);
    expect(openJournal(journal).load(originOf(tenantId, 'audit'))).toBeNull();
    await holder.round();
    expect((await checkpoints()).map((c) => c.size)).toEqual([2]);
  });

  it('does not publish what its memory could not take', async () => {
    const journal = newJournal();
    const full: SignerMemory = {
      load: () => null,
      origins: () => [],
      advance: () => {
        throw new Error('no space left on the device');
      },
    };
    await grow(2);
    await expect(seat(journal, { memory: full }).round()).rejects.toThrow('no space');
    expect(await checkpoints()).toEqual([]);
  });

  it('tells a finding again until it is recorded', async () => {
    await grow(1);
    await coherentAppend(null);
    const told: SignerFinding[] = [];
    const signer = createSigner({
      db: database.db,
      memory: openJournal(newJournal()),
      ...signsAll(keyStore.noteSigner),
      recorderKey: keyStore.deployment.recorder,
      originOf,
      onFinding: (finding) => (told.push(finding) < 3 ? Promise.reject(new Error('the database is away')) : null),
      holdsLease: () => Promise.resolve(true),
    });
    await expect(signer.signTenant(tenantId)).rejects.toThrow('away');
    await expect(signer.signTenant(tenantId)).rejects.toThrow('away');
    expect(signer.open()).toHaveLength(1);
    await signer.signTenant(tenantId);
    await signer.signTenant(tenantId);
    expect(told).toHaveLength(3);
  });

  it('tells a finding once while it lasts', async () => {
    await grow(1);
    await coherentAppend(null);
    const { round, findings } = seat(newJournal());
    for (let i = 0; i < 3; i++) await round();
    expect(findings).toHaveLength(1);
  });
});
