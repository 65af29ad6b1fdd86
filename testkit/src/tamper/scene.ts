import { setTimeout as sleep } from 'node:timers/promises';
import { startApp } from '@sworn/server';
import pg from 'pg';
import type { Stage, StageCopy, StageTenant } from './stage.js';

/** A row of `leaf` as an attacker reads it. */
export interface LeafSeen {
  readonly log: string;
  readonly index: number;
  readonly kind: string;
  readonly leaf: Buffer;
  readonly leafHash: Buffer;
  readonly eventKey: Buffer;
  readonly traceId: Buffer | null;
  readonly dk: string | null;
}

/** A log of a tenant. */
export interface LogPlace {
  readonly tenantId: string;
  readonly log: string;
}

/** What the signer said of a log. */
export interface SignerSaid {
  readonly finding: string;
  readonly tenantId: string;
  readonly log: string;
  readonly index: number;
  /** Seconds until it was recorded: from the strike, or from when the server was started on what was struck before. */
  readonly seconds: number;
}

/** A server on the scene, while it runs. */
export interface SceneServer {
  readonly http: string;
  readonly otlpHttp: string;
  /** Waits until `control` holds a finding of the signer about the log. `since`: `performance.now()` of the strike. */
  finding(place: LogPlace, since: number): Promise<SignerSaid>;
}

/** What an attacker has: one copy of the stage, as its superuser, with no trigger firing; and what the server does meanwhile. */
export interface Scene {
  readonly stage: Stage;
  readonly copy: StageCopy;
  readonly target: StageTenant;
  readonly keyDir: string;
  readonly signerDir: string;
  originOf(place: LogPlace): string;
  /** Runs SQL; fails when an UPDATE, DELETE or INSERT touched no row: an attack that did nothing proves nothing. */
  strike(text: string, values?: readonly unknown[]): Promise<number>;
  read<T extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<T[]>;
  /** The `nth` leaf of a kind of the target; negative: from the end. */
  leaf(kind: string, nth?: number, log?: string): Promise<LeafSeen>;
  leafAt(place: LogPlace, index: number): Promise<LeafSeen>;
  /** Number of leaves that the head of a log counts. */
  sizeOf(place: LogPlace): Promise<number>;
  /** Size of the newest stored checkpoint. */
  signedOf(place: LogPlace): Promise<number>;
  /** Runs a server on the scene for as long as `work` takes. */
  serve<T>(work: (server: SceneServer) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Rounds of a tenth of a second until the signer said something: a minute. */
const SIGNER_ROUNDS = 600;

const SEEN = `log, leaf_index::float8 as index, kind, leaf, leaf_hash as "leafHash", event_key as "eventKey", trace_id as "traceId", dk::text`;

/** Opens the attacker's connection to a copy of the stage. */
export async function openScene(stage: Stage, copy: StageCopy): Promise<Scene> {
  const client = new pg.Client(copy.connection);
  client.on('error', () => undefined);
  await client.connect();
  await client.query(
    `set session_replication_role = replica; set idle_in_transaction_session_timeout = 0; set timezone = 'UTC'`,
  );
  const { target, deploymentId } = stage;
  const read = async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []) =>
    (await client.query<T>(text, [...values])).rows;
  const one = async <T extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<T> => {
    const [row] = await read<T>(text, values);
    if (row === undefined) throw new Error(`nothing there: ${text} ${String(values)}`);
    return row;
  };
  return {
    stage,
    copy,
    target,
    keyDir: stage.keyDir,
    signerDir: copy.signerDir,
    originOf: ({ tenantId, log }) => `${deploymentId}/${tenantId}/${log}`,
    async strike(text, values = []) {
      const { rowCount, command } = await client.query(text, [...values]);
      if (/^(UPDATE|DELETE|INSERT)/.test(command ?? '') && !rowCount) throw new Error(`touched no row: ${text}`);
      return rowCount ?? 0;
    },
    read,
    leaf: (kind, nth = 0, log = 'llm-runs') =>
      one<LeafSeen & pg.QueryResultRow>(
        `select ${SEEN} from sworn.leaf where tenant_id = $1 and kind = $2 and log = $3
          order by leaf_index ${nth < 0 ? 'desc' : ''} offset $4 limit 1`,
        [target.id, kind, log, nth < 0 ? -nth - 1 : nth],
      ),
    leafAt: ({ tenantId, log }, index) =>
      one<LeafSeen & pg.QueryResultRow>(
        `select ${SEEN} from sworn.leaf where tenant_id = $1 and log = $2 and leaf_index = $3`,
        [tenantId, log, index],
      ),
    sizeOf: async ({ tenantId, log }) =>
      (
        await one<{ size: number }>(
          `select next_index::float8 as size from sworn.log_head where tenant_id = $1 and log = $2`,
          [tenantId, log],
        )
      ).size,
    signedOf: async ({ tenantId, log }) =>
      (
        await one<{ size: number }>(
          `select max(size)::float8 as size from sworn.checkpoint where tenant_id = $1 and log = $2`,
          [tenantId, log],
        )
      ).size,
    async serve(work) {
      const app = await startApp(copy.config);
      try {
        return await work({ ...app.addresses, finding: (place, since) => untilSigner(read, place, since) });
      } finally {
        await app.stop();
      }
    },
    close: () => client.end(),
  };
}

async function untilSigner(read: Scene['read'], { tenantId, log }: LogPlace, since: number): Promise<SignerSaid> {
  for (let round = 0; round < SIGNER_ROUNDS; round++) {
    const rows = await read<{ leaf: Buffer }>(
      `select leaf from sworn.leaf where kind = 'FINDING' and log = 'control' order by leaf_index`,
    );
    for (const { leaf } of rows) {
      const said = JSON.parse(leaf.toString('utf8')) as Record<string, string | number>;
      if (said['of_tenant'] !== tenantId || said['of_log'] !== log) continue;
      const seconds = (performance.now() - since) / 1000;
      return { finding: String(said['finding']), tenantId, log, index: Number(said['index']), seconds };
    }
    await sleep(100);
  }
  throw new Error(`the signer said nothing of ${log}`);
}
