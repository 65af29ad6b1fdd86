import { Counter, type Registry } from 'prom-client';
import { countGovernance } from './governed.js';
import { inShares } from './ingest/inShares.js';
import type { IngestQuotas } from './ingest/ingestQuotas.js';
import type { Acceptors } from './ingest/intake.js';
import type { Preparer } from './ingest/prepare.js';
import type { Sequencer } from './record/sequencer.js';

/** What keeping requests needs. */
export interface AcceptorsDeps {
  readonly preparer: Preparer;
  readonly writer: Sequencer;
  readonly quotas: Pick<IngestQuotas, 'demandRuns'>;
  readonly registry: Registry;
}

/** Prepares what a request holds and appends it, share by share, and counts what was acknowledged. */
export function createAcceptors({ preparer, writer, quotas, registry }: AcceptorsDeps): Acceptors {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const spans = counter('sworn_spans_accepted_total', 'Spans acknowledged as durable.');
  const logRecords = counter('sworn_log_records_accepted_total', 'Log records acknowledged as durable.');
  const dataPoints = counter('sworn_data_points_accepted_total', 'Data points of metrics acknowledged as durable.');
  const governed = new Counter({
    name: 'sworn_governance_decisions_total',
    help: 'Events of governance stored, by category and decision.',
    labelNames: ['category', 'decision'] as const,
    registers: [registry],
  });
  return {
    async traces(credential, traces) {
      await inShares(traces.spans, async (some) => {
        const drafts = await preparer.prepareTraces(credential, some);
        await quotas.demandRuns(credential.tenantId, drafts);
        countGovernance(governed, drafts, await writer.append(credential.tenantId, drafts));
      });
      spans.inc(traces.spans.length);
    },
    async logs(credential, logs) {
      const seen = new Map<string, number>();
      await inShares(logs.records, async (some) => {
        const drafts = await preparer.prepareLogs(credential, some, seen);
        countGovernance(governed, drafts, await writer.append(credential.tenantId, drafts));
      });
      logRecords.inc(logs.records.length);
    },
    async metrics(credential, { batches }) {
      const seen = new Map<string, number>();
      await inShares(batches, async (some) => {
        await writer.append(credential.tenantId, await preparer.prepareMetrics(credential, some, seen));
      });
      dataPoints.inc(batches.reduce((sum, { points }) => sum + points, 0));
    },
  };
}
