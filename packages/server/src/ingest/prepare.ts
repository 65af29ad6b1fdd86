import { setImmediate } from 'node:timers/promises';
import type { Topic } from '@sworn/evidence';
import type { KeyCredential } from '../access/credential.js';
import type { ItemSlice, LogSlice, MetricsSlice, SourceSlice, SpanSlice } from '../otlp/decoded.js';
import type { GovernanceRules } from '../otlp/map/governanceRules.js';
import type { Mapper } from '../otlp/map/step.js';
import type { Vocabulary } from '../otlp/map/vocabulary.js';
import type { DataKey } from '../record/body.js';
import { type DataKeys, dayScope, type KeyScope, traceScope } from '../record/dataKeys.js';
import type { Directory } from '../record/directory.js';
import type { LeafDraft } from '../record/draft.js';
import type { KeyStore } from '../record/keyStore.js';
import type { Redactor } from '../record/redact/redactor.js';
import { logDraft, logEventKeys, type Ordinals, type ReadLog, readLog } from './prepareLog.js';
import { batchDraft, batchEventKeys, readBatch } from './prepareMetrics.js';
import { createResourceDrafts, type PreparedSource } from './prepareResource.js';
import { type ItemSources, prepareStep } from './prepareStep.js';
import type { Tenancy } from './tenancy.js';

/** Turns what a producer sent into drafts of leaves, outside of any lock (INTEGRITY.md, "Sequencing"). */
export interface Preparer {
  /**
   * RESOURCE drafts first, then one STEP draft a span, in the order of `spans`, then what they say of governance. Data keys and directory entries are durable
   * when it resolves. Never refuses a span: what can be decoded is stored, with less in its leaf where it has to be.
   * @throws StoreFailure when the database is away, KeyRefused when the tenant's keys are.
   */
  prepareTraces(credential: KeyCredential, spans: readonly SpanSlice[]): Promise<LeafDraft[]>;
  /** The same of log records: drafts of `audit` for events of its vocabulary, of `system` for all others. `seen`: of shares of one request, the same for all. */
  prepareLogs(credential: KeyCredential, records: readonly LogSlice[], seen?: Ordinals): Promise<LeafDraft[]>;
  /** The same of metrics: one draft of `system` a record. */
  prepareMetrics(credential: KeyCredential, batches: readonly MetricsSlice[], seen?: Ordinals): Promise<LeafDraft[]>;
}

/** What preparing needs. */
export interface PreparerDeps {
  readonly keyStore: KeyStore;
  readonly dataKeys: DataKeys;
  readonly directory: Directory;
  readonly redactor: Redactor;
  readonly mapper: Mapper;
  readonly vocabulary: Vocabulary;
  readonly governance: GovernanceRules;
  /** Origin of the tenant's open log of a topic, generation included. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** Milliseconds since 1970: the UTC day of resources, and the time of items that have none. */
  readonly now: () => number;
}

/** Items prepared in one go, at 50 µs each: a large request lets others in between. */
const ITEMS_A_TURN = 200;
/** The same of records of metrics, of up to 60 KiB each. */
const BATCHES_A_TURN = 8;

export function createPreparer(deps: PreparerDeps): Preparer {
  const resourceDrafts = createResourceDrafts(deps.redactor);
  const logReading = {
    redactor: deps.redactor,
    mapper: { mapping: deps.mapper.mapping, vocabulary: deps.vocabulary, governance: deps.governance },
  };

  return {
    async prepareTraces(credential, spans) {
      const traces = new Map<string, Uint8Array>();
      for (const { traceId } of spans) traces.set(traceScope(traceId), traceId);
      const request = await open(credential, [...traces.values()].map(traceScope));
      const steps: LeafDraft[] = [];
      const governance: LeafDraft[] = [];
      await eachInTurns(spans, ITEMS_A_TURN, (span) => {
        const key = request.keyOf(traceScope(span.traceId));
        const prepared = prepareStep(request.tenancy, deps, span, request.sourcesOf(span), key);
        steps.push(prepared.step);
        governance.push(...prepared.governance);
      });
      return request.drafted([...steps, ...governance]);
    },

    async prepareLogs(credential, records, seen = new Map()) {
      const request = await open(credential, []);
      const { tenancy } = request;
      const read: ReadLog[] = [];
      await eachInTurns(records, ITEMS_A_TURN, (record) =>
        read.push(readLog(tenancy, logReading, record, request.sourcesOf(record))),
      );
      // Whose day key it is that a record is sealed under stands in it.
      const scopes = new Set(read.map((record) => record.keyScope));
      const dataKeys = await deps.dataKeys.forScopes(credential.tenantId, scopes);
      const eventKeys = logEventKeys(tenancy, read, seen);
      const drafts: LeafDraft[] = [];
      await eachInTurns(read, ITEMS_A_TURN, (record, at) =>
        drafts.push(logDraft(tenancy, record, eventKeys[at] as Uint8Array, keyFrom(dataKeys, record.keyScope))),
      );
      return request.drafted(drafts);
    },

    async prepareMetrics(credential, batches, seen = new Map()) {
      const request = await open(credential, []);
      const { tenancy, systemKey: dataKey } = request;
      const read = batches.map((slice) => readBatch(tenancy, slice, request.sourceOf(slice.resource)));
      const eventKeys = batchEventKeys(tenancy, read, seen);
      const drafts: LeafDraft[] = [];
      await eachInTurns(read, BATCHES_A_TURN, (batch, at) => {
        const sealing = { redactor: deps.redactor, eventKey: eventKeys[at] as Uint8Array, dataKey };
        drafts.push(batchDraft(tenancy, batch, sealing));
      });
      return request.drafted(drafts);
    },
  };

  /** What is the same for all items of a request. */
  async function open(credential: KeyCredential, scopes: readonly KeyScope[]) {
    const { tenantId } = credential;
    const at = new Date(deps.now());
    const systemScope = dayScope('system', null, at.toISOString().slice(0, 10));
    const [keys, dataKeys] = await Promise.all([
      deps.keyStore.tenant(tenantId),
      deps.dataKeys.forScopes(tenantId, [systemScope, ...scopes]),
    ]);
    const tenancy: Tenancy = {
      credential,
      keys,
      at,
      stepOrigin: deps.openOriginOf(tenantId, 'llm-runs'),
      systemOrigin: deps.openOriginOf(tenantId, 'system'),
      auditOrigin: deps.openOriginOf(tenantId, 'audit'),
      humans: new Map(),
    };
    const sources = new Map<SourceSlice, PreparedSource>();
    const sourceOf = (slice: SourceSlice): PreparedSource => {
      let prepared = sources.get(slice);
      if (prepared === undefined) {
        prepared = resourceDrafts(tenancy, slice, keyFrom(dataKeys, systemScope));
        sources.set(slice, prepared);
      }
      return prepared;
    };
    return {
      tenancy,
      systemKey: keyFrom(dataKeys, systemScope),
      sourceOf,
      keyOf: (scope: KeyScope) => keyFrom(dataKeys, scope),
      sourcesOf: ({ resource, scope }: ItemSlice): ItemSources => ({
        resource: sourceOf(resource),
        scope: sourceOf(scope),
      }),
      /** All drafts of the request, those that are named by others first. */
      async drafted(items: readonly LeafDraft[]): Promise<LeafDraft[]> {
        await deps.directory.enter(tenantId, tenancy.humans);
        return [...draftsOf(sources), ...items];
      },
    };
  }
}

async function eachInTurns<T>(
  items: readonly T[],
  aTurn: number,
  prepare: (item: T, at: number) => void,
): Promise<void> {
  for (const [at, item] of items.entries()) {
    if (at % aTurn === aTurn - 1) await setImmediate();
    prepare(item, at);
  }
}

function keyFrom(dataKeys: ReadonlyMap<KeyScope, DataKey>, scope: KeyScope): DataKey {
  const key = dataKeys.get(scope);
  if (key === undefined) throw new Error('a data key that was asked for is not there');
  return key;
}

/** One draft an event key: equal resources of one request are one record. */
function draftsOf(sources: ReadonlyMap<SourceSlice, PreparedSource>): LeafDraft[] {
  return [...new Map([...sources.values()].map(({ eventKey, draft }) => [eventKey, draft])).values()];
}
