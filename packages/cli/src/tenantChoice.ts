import type { Deployment, TenantView } from './deployment.js';
import { CommandFailed, EXIT } from './exitCode.js';

/**
 * The tenant a command is about: by id, by a name that only one has, or without either the only one beside the platform's.
 * @throws CommandFailed naming the choice: `unable` when it is not clear which is meant, `no` when there is none.
 */
export async function chooseTenant(deployment: Deployment, given: string | undefined): Promise<TenantView> {
  const tenants = await deployment.listTenants();
  const matching =
    given === undefined
      ? tenants.filter((tenant) => !tenant.platform)
      : tenants.filter((tenant) => tenant.tenantId === given || tenant.name === given);
  const [first] = matching;
  if (first !== undefined && matching.length === 1) return first;
  const choice = (matching.length > 0 ? matching : tenants).map((tenant) => `  ${tenant.tenantId}  ${tenant.name}`);
  const what =
    given === undefined
      ? 'give --tenant'
      : matching.length > 1
        ? `several tenants are called ${given}, give an id`
        : `there is no tenant ${given}`;
  throw new CommandFailed(
    given === undefined || matching.length > 1 ? EXIT.unable : EXIT.no,
    [`${what}${choice.length > 0 ? ':' : ' (sworn tenant create)'}`, ...choice].join('\n'),
  );
}
