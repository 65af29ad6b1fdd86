import { FINDING_SCOPE, type Finding as ShownFinding } from '@sworn/contract';
import { sentenceOf } from '../check/finding.js';
import { isAbout, type OpenFinding, readRegister, type RegisterRead } from '../check/register.js';
import type { Tx } from '../store/database.js';
import type { Checked, Damaged } from './check.js';

/** The findings of a tenant that are open, as of at most `HELD_MS` ago. */
export type OpenFindings = (tx: Tx, tenantId: string) => Promise<readonly OpenFinding[]>;

/** Reads ask with every answer; a finding is a minute old when it is opened. */
const HELD_MS = 2_000;
/** Tenants whose findings are held. */
const TENANTS_HELD = 1_000;

interface Held {
  readonly at: number;
  readonly open: readonly OpenFinding[];
  /** How often each was opened. */
  readonly opened: ReadonlyMap<string, number>;
  /** From where to read on. */
  readonly read: RegisterRead;
}

/** Asks `control` what is new there, and remembers the answer for a moment. */
export function createOpenFindings(deps: {
  readonly originOf: (tenantId: string, log: string) => string;
  readonly directoryKey: Uint8Array;
}): OpenFindings {
  const held = new Map<string, Held>();
  return async (tx, tenantId) => {
    const known = held.get(tenantId);
    if (known !== undefined && performance.now() - known.at < HELD_MS) return known.open;
    const read = await readRegister(deps, tx, tenantId, known?.read);
    // One that was opened less often than before was not cleared: somebody took away the row by which its leaf is found.
    const hidden = (known?.open ?? []).filter(
      ({ id }) => !read.open.has(id) && (read.opened.get(id) ?? 0) < (known?.opened.get(id) ?? 0),
    );
    const open = [...[...read.open.values()].filter((of) => of.tenantId === tenantId), ...hidden];
    const opened = new Map([...read.opened, ...hidden.map(({ id }) => [id, known?.opened.get(id) ?? 0] as const)]);
    if (held.size >= TENANTS_HELD) held.clear();
    held.set(tenantId, { at: performance.now(), open, opened, read });
    return open;
  };
}

/** A record that passed its own check, and whether a finding is open on it all the same. */
export function heldAgainst<S extends Damaged>(checked: Checked<S>, open: readonly OpenFinding[]): Checked<S> {
  if (checked.kind === 'compromised' || open.length === 0) return checked;
  const { stored } = checked;
  const finding = open.find((one) => FINDING_SCOPE[one.code] === 'record' && isAbout(one, stored));
  return finding === undefined ? checked : { kind: 'compromised', stored, finding: shown(finding, stored) };
}

function shown(finding: OpenFinding, { log, index }: Damaged): ShownFinding {
  return {
    check: finding.check,
    code: finding.code,
    log,
    leaf_index: index,
    detail: `${finding.id}: ${sentenceOf(finding)}`,
  };
}
