import { Counter, type Registry } from 'prom-client';
import { createRateLimits, type RateLimits, type Rates } from './access/rateLimits.js';

/** The limits of one process, and how often each was met. Who met it stands in access records: a label for each address would be a flood too. */
export function createCountedRates(rates: Rates, registry: Registry): RateLimits {
  const limited = new Counter({
    name: 'sworn_rate_limited_total',
    help: 'Requests answered 429 for their number, facade and OTLP together, by whose limit it was: address, credential.',
    labelNames: ['policy'] as const,
    registers: [registry],
  });
  for (const policy of ['address', 'credential'] as const) limited.inc({ policy }, 0);
  return createRateLimits({ rates, tell: (policy) => limited.inc({ policy }) });
}
