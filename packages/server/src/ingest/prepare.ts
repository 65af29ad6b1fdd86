import { setImmediate } from 'node:timers/promises';
import type { Topic } from '@sworn/evidence';
import type { Credential } from '../access/credential.js';
import type { SourceSlice, SpanSlice } from '../otlp/decoded.js';
import type { Mapper } from '../otlp/map/step.js';
import type { DataKey } from '../record/body.js';
import { type DataKeys, dayScope, traceScope } from '../record/dataKeys.js';
import type { Directory } from '../record/directory.js';
import type { LeafDraft } from '../record/draft.js';
import type { KeyStore } from '../record/keyStore.js';
import type { Redactor } from '../record/redact/redactor.js';
import { createResourceDrafts, type PreparedSource } from './prepareResource.js';
import { prepareStep } from './prepareStep.js';
import type { Tenancy } from './tenancy.js';

/** Turns what a producer sent into drafts of leaves, outside of any lock (INTEGRITY.md, "Sequencing"). */
export interface Preparer {
  /**
   * RESOURCE drafts first, then one STEP draft a span, in the order of `spans`. Data keys and directory entries are durable
   * when it resolves. Never refuses a span: what can be decoded is stored, with less in its leaf where it has to be.
   * @throws StoreFailure when the database is away, KeyRefused when the tenant's keys are.
   */
  prepareTraces(credential: Credential, spans: readonly SpanSlice[]): Promise<LeafDraft[]>;
}

/** What preparing needs. */
export interface PreparerDeps {
  readonly keyStore: KeyStore;
  readonly dataKeys: DataKeys;
  readonly directory: Directory;
  readonly redactor: Redactor;
  readonly mapper: Mapper;
  /** Origin of the tenant's open log of a topic, generation included. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  /** Milliseconds since 1970: the UTC day of resources, and the time of spans that have none. */
  readonly now: () => number;
}

/** Spans prepared in one go, at 50 µs each: a large request lets others in between. */
const SPANS_A_TURN = 200;

export function createPreparer(deps: PreparerDeps): Preparer {
  const resourceDrafts = createResourceDrafts(deps.redactor);

  return {
    async prepareTraces(credential, spans) {
      const { tenantId } = credential;
      const at = new Date(deps.now());
      const systemScope = dayScope('system', null, at.toISOString().slice(0, 10));
      const traces = new Map<string, Uint8Array>();
      for (const { traceId } of spans) traces.set(traceScope(traceId), traceId);
      const [keys, dataKeys] = await Promise.all([
        deps.keyStore.tenant(tenantId),
        deps.dataKeys.forScopes(tenantId, [systemScope, ...[...traces.values()].map(traceScope)]),
      ]);
      const tenancy: Tenancy = {
        credential,
        keys,
        at,
        stepOrigin: deps.openOriginOf(tenantId, 'llm-runs'),
        resourceOrigin: deps.openOriginOf(tenantId, 'system'),
        humans: new Map(),
      };
      const keyOf = (scope: ReturnType<typeof traceScope>): DataKey => {
        const key = dataKeys.get(scope);
        if (key === undefined) throw new Error('a data key that was asked for is not there');
        return key;
      };

      const sources = new Map<SourceSlice, PreparedSource>();
      const sourceOf = (slice: SourceSlice): PreparedSource => {
        let prepared = sources.get(slice);
        if (prepared === undefined) {
          prepared = resourceDrafts(tenancy, slice, keyOf(systemScope));
          sources.set(slice, prepared);
        }
        return prepared;
      };
      const steps: LeafDraft[] = [];
      for (const span of spans) {
        if (steps.length % SPANS_A_TURN === SPANS_A_TURN - 1) await setImmediate();
        const from = { resource: sourceOf(span.resource), scope: sourceOf(span.scope) };
        steps.push(prepareStep(tenancy, deps, span, from, keyOf(traceScope(span.traceId))));
      }
      await deps.directory.enter(tenantId, tenancy.humans);
      return [...drafted(sources), ...steps];
    },
  };
}

/** One draft an event key: equal resources of one request are one record. */
function drafted(sources: ReadonlyMap<SourceSlice, PreparedSource>): LeafDraft[] {
  return [...new Map([...sources.values()].map(({ eventKey, draft }) => [eventKey, draft])).values()];
}
