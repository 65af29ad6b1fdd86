import { Command, InvalidArgumentError } from 'commander';
import type { CommandContext, QuotasView, UsedView } from '../deployment.js';
import { chooseTenant } from '../tenantChoice.js';
import { table } from '../terminal.js';
import { withDeployment } from '../withDeployment.js';

/** Commander takes a null for a parser that failed. */
type Most = number | 'none';

interface Options extends Partial<Record<keyof QuotasView, Most>> {
  readonly tenant?: string;
  readonly json: boolean;
}

/** `sworn tenant quota`: what a tenant may use, and does; with options, what it may use from now on. */
export function tenantQuota(context: CommandContext): Command {
  return new Command('quota')
    .description('show what a tenant may use and does, or say what it may use from now on; recorded in its control')
    .option('--tenant <id or name>', 'whose; without it the only tenant there is')
    .option('--bytes-a-day <size>', 'of OTLP, inflated, on a UTC day: 500000000, 500MB, 2GiB, or none', parseSize)
    .option('--open-runs <number>', 'runs that are open at a time, or none', parseNumber)
    .option('--keys <number>', 'keys that are neither revoked nor expired, or none', parseNumber)
    .option('--json', 'print {"tenant","bytes_a_day","open_runs","keys"}, each {"quota","used"}', false)
    .addHelpText(
      'after',
      '\nnone: as much as there is. Servers heed a change within 5 seconds.\n\nExamples:\n  sworn tenant quota --tenant acme\n  sworn tenant quota --tenant acme --bytes-a-day 2GiB --keys 20',
    )
    .action((options: Options) =>
      withDeployment(context, async (deployment) => {
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const change: Partial<Record<keyof QuotasView, number | null>> = {};
        for (const quota of EACH) {
          const most = options[quota];
          if (most !== undefined) change[quota] = most === 'none' ? null : most;
        }
        if (Object.keys(change).length > 0) await deployment.changeQuotas(tenantId, change);
        const { quotas, used } = await deployment.readQuotas(tenantId);
        if (options.json) context.terminal.json({ tenant: tenantId, ...shown(quotas, used) });
        else for (const line of table(['WHAT', 'MAY', 'USES'], rows(quotas, used))) context.terminal.line(line);
      }),
    );
}

const NAMES = { bytesADay: 'bytes_a_day', openRuns: 'open_runs', keys: 'keys' } as const;
const EACH = ['bytesADay', 'openRuns', 'keys'] as const;

function shown(quotas: QuotasView, used: UsedView): object {
  return Object.fromEntries(EACH.map((quota) => [NAMES[quota], { quota: quotas[quota], used: used[quota] }]));
}

function rows(quotas: QuotasView, used: UsedView): string[][] {
  return EACH.map((quota) => [NAMES[quota], String(quotas[quota] ?? 'none'), String(used[quota])]);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

function parseSize(text: string): Most {
  if (text === 'none') return text;
  const [, digits = '', unit = ''] = /^(\d{1,15})([KMGT]i?B)?$/.exec(text) ?? [];
  const bytes = digits === '' ? Number.NaN : Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('give bytes, as 500000000, 500MB or 2GiB, or none.');
}

function parseNumber(text: string): Most {
  if (text === 'none') return text;
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('give a whole number from 0 on, or none.');
}
