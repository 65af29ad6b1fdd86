import type { FoundBy, Struck } from './attack.js';
import type { Outcome } from './campaign.js';
import { inWords } from './judge.js';

/** Who found it, as the scoreboard says it. */
const FINDER: Readonly<Record<FoundBy, string>> = {
  fsck: 'fsck',
  signer: 'the signer, and fsck',
  'outside memory': 'fsck, by the signer’s memory',
  sink: 'fsck, by a sink',
  elsewhere: 'nothing on this machine; a checkpoint kept elsewhere',
  nobody: 'nobody',
  advisory: 'fsck, as an advisory',
  'no attack': 'no finding, rightly',
};

/** Places of one finding that are named. */
const PLACES_NAMED = 1;

const COLUMNS = ['attack', 'found by', 'where', 'after (s)', 'cost', 'triggers only', 'hash chain'] as const;

/** The table of docs/tamper.md. */
export function markdownOf(outcomes: readonly Outcome[]): string {
  const lines = outcomes.map((outcome) => `| ${cellsOf(outcome).join(' | ')} |`);
  return [`| ${COLUMNS.join(' | ')} |`, `|${'---|'.repeat(COLUMNS.length)}`, ...lines, ''].join('\n');
}

/** One line while the campaign runs. */
export function lineOf(outcome: Outcome): string {
  const [name, finder, where, after] = cellsOf(outcome);
  const wrong = outcome.told?.wrong ?? [];
  const mark = outcome.told === null ? '–' : wrong.length === 0 ? '✓' : '✗';
  return [
    `${mark} ${name}: ${finder}${where === '' ? '' : `, ${where}`} (${after} s)`,
    ...wrong.map((w) => `    ${w}`),
  ].join('\n');
}

/** How the campaign went, in numbers. */
export function countsOf(outcomes: readonly Outcome[]): Readonly<Record<string, number>> {
  const struck = outcomes.filter(({ told }) => told !== null);
  const told = struck.filter(({ attack }) => !['nobody', 'elsewhere', 'no attack'].includes(attack.foundBy));
  const compared = told.flatMap(({ plain }) => (plain === null ? [] : [plain]));
  return {
    attacks: outcomes.length,
    not_struck: outcomes.length - struck.length,
    to_be_told: told.length,
    told: told.filter((o) => o.told?.wrong.length === 0).length,
    wrong: struck.filter((o) => o.told?.wrong.length !== 0).length,
    compared: compared.length,
    triggers_only: compared.filter((p) => p.triggersOnly).length,
    hash_chain: compared.filter((p) => p.hashChain).length,
  };
}

/** The outcomes as data. */
export function jsonOf(outcomes: readonly Outcome[]): object {
  return {
    counts: countsOf(outcomes),
    attacks: outcomes.map(({ attack, told, plain }) => ({
      attack: attack.name,
      found_by: attack.foundBy,
      struck: told !== null,
      wrong: told?.wrong ?? [],
      findings: told?.report.findings.map(({ check, code, log, index }) => ({ check, code, log, index })) ?? [],
      advisories: told?.report.advisories.length ?? 0,
      after_seconds: told?.after ?? null,
      leaves_read: told?.report.leaves ?? null,
      bytes_read: told?.report.bytes ?? null,
      triggers_only: plain?.triggersOnly ?? null,
      hash_chain: plain?.hashChain ?? null,
    })),
  };
}

function cellsOf({ attack, told, plain }: Outcome): readonly string[] {
  if (told === null) return [attack.name, `not struck: needs a log of ${attack.needs} leaves`, '', '', '', '', ''];
  const finder = told.wrong.length === 0 ? FINDER[attack.foundBy] : '**not as it must be**';
  const cost = `${told.report.leaves} leaves, ${(told.report.bytes / 2 ** 20).toFixed(1)} MiB`;
  const seen = (found: boolean | undefined): string => (found === undefined ? '–' : found ? 'found' : 'not found');
  return [
    attack.name,
    finder,
    whereOf(told.struck),
    told.after.toFixed(1),
    cost,
    seen(plain?.triggersOnly),
    seen(plain?.hashChain),
  ];
}

function whereOf({ found, signer, advisory }: Struck): string {
  const places = found.map(inWords);
  if (signer !== undefined) return `signer: ${signer.finding} ${signer.log} ${signer.index}; ${places[0] ?? ''}`;
  const named = places.slice(0, PLACES_NAMED).join('; ');
  const more = places.length - PLACES_NAMED;
  if (named === '') return advisory === true ? 'V11 POSTURE' : '';
  return more > 0 ? `${named}, and ${more} more` : named;
}
