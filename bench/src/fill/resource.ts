import { attributes } from '../attributes.js';

/** Applications that send; each with its own release and environment. */
const SERVICES = ['support-desk', 'shop', 'research', 'back-office', 'mobile-api', 'experiments'] as const;
const ENVIRONMENTS = ['production', 'production', 'staging'] as const;

/** How many resources there are. */
export const RESOURCES = 12;

/** The `resource` member of one of the applications' processes. */
export function resourceOf(k: number): { readonly resource: object } {
  const service = SERVICES[k % SERVICES.length] ?? 'support-desk';
  return {
    resource: {
      attributes: attributes({
        'service.name': service,
        'service.version': `1.${k % 5}.0`,
        'service.instance.id': `${service}-${k}`,
        'deployment.environment.name': ENVIRONMENTS[k % ENVIRONMENTS.length] ?? 'production',
        'telemetry.sdk.language': 'python',
      }),
    },
  };
}
