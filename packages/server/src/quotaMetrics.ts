import { Counter, Gauge, type Registry } from 'prom-client';
import type { IngestQuotasDeps } from './ingest/ingestQuotas.js';

const QUOTAS = ['bytes_a_day', 'open_runs'] as const;

/** How often a quota was met, and how near the nearest tenant is. Which one it is, `sworn tenant quota` says: metrics name none. */
export function createQuotaMetrics(registry: Registry): IngestQuotasDeps['tell'] {
  const refused = new Counter({
    name: 'sworn_quota_refused_total',
    help: 'Requests of OTLP answered 429 because their tenant would go beyond what it may: bytes_a_day, open_runs.',
    labelNames: ['quota'] as const,
    registers: [registry],
  });
  for (const quota of QUOTAS) refused.inc({ quota }, 0);
  const ratios = new Map<string, Map<string, number>>(QUOTAS.map((quota) => [quota, new Map()]));
  new Gauge({
    name: 'sworn_quota_used_ratio',
    help: 'What the tenant that is nearest to its quota has used of it, of those that sent to this process; 1: all.',
    labelNames: ['quota'] as const,
    registers: [registry],
    collect() {
      for (const [quota, ofTenants] of ratios) {
        let most = 0;
        for (const ratio of ofTenants.values()) most = Math.max(most, ratio);
        this.set({ quota }, most);
      }
    },
  });
  return {
    refused: (quota) => refused.inc({ quota }),
    near(tenantId, quota, ratio) {
      if (ratio === null) ratios.get(quota)?.delete(tenantId);
      else ratios.get(quota)?.set(tenantId, ratio);
    },
  };
}
