import { Command } from 'commander';
import type { CommandContext, KeyView } from '../deployment.js';
import { chooseTenant } from '../tenantChoice.js';
import { table } from '../terminal.js';
import { withDeployment } from '../withDeployment.js';

/** `sworn key list`: the keys of a tenant, without their secrets. */
export function keyList(context: CommandContext): Command {
  return new Command('list')
    .description('list the keys of a tenant; secrets are not stored and cannot be shown')
    .option('--tenant <id or name>', 'whose keys; without it the only tenant there is')
    .option(
      '--json',
      'print an array of {"key_id","role","scopes","services","topics","occurred_from","occurred_before","payloads","label","state","created_at","expires_at","revoked_at"}',
      false,
    )
    .addHelpText('after', '\nExample:\n  sworn key list --tenant acme')
    .action((options: { tenant?: string; json: boolean }) =>
      withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const keys = await deployment.listKeys(tenantId);
        if (options.json) {
          context.terminal.json(
            keys.map((key) => ({
              key_id: key.keyId,
              role: key.role,
              scopes: key.scopes,
              services: key.services,
              topics: key.topics,
              occurred_from: key.occurredFrom,
              occurred_before: key.occurredBefore,
              payloads: key.payloads,
              label: key.label,
              state: stateOf(key),
              created_at: key.createdAt,
              expires_at: key.expiresAt,
              revoked_at: key.revokedAt,
            })),
          );
          return;
        }
        const rows = keys.map((key) => [
          key.keyId,
          key.role,
          stateOf(key),
          key.expiresAt,
          boundsOf(key),
          key.label ?? '',
        ]);
        for (const line of table(['KEY', 'ROLE', 'STATE', 'EXPIRES', 'BOUNDS', 'LABEL'], rows))
          context.terminal.line(line);
      }),
    );
}

/** Services that it writes of; of a key that reads what it sees of what its role sees. */
function boundsOf({ services, topics, occurredFrom, occurredBefore, payloads }: KeyView): string {
  const range =
    (occurredFrom ?? occurredBefore)
      ? [`${occurredFrom?.slice(0, 19) ?? ''}..${occurredBefore?.slice(0, 19) ?? ''}`]
      : [];
  return [...services, ...(topics ?? []), ...range, ...(payloads === null ? [] : [`payloads ${payloads}`])].join(' ');
}

/** A key whose row is not what its control leaf says opens nothing, and is shown as that. */
function stateOf(key: KeyView): 'live' | 'revoked' | 'expired' | 'unproven' {
  if (key.revokedAt !== null) return 'revoked';
  if (Date.parse(key.expiresAt) <= Date.now()) return 'expired';
  return key.proven ? 'live' : 'unproven';
}
