import { wrongAnswers } from './answers.js';
import type { Attack, Struck } from './attack.js';
import { fsck, type Report } from './fsck.js';
import { misjudged } from './judge.js';
import type { PlainTables, PlainVerdict } from './plainTables.js';
import { openScene } from './scene.js';
import type { Stage } from './stage.js';

/** How one attack went. */
export interface Outcome {
  readonly attack: Attack;
  /** Null: the stage is too small for it, and it was not struck. */
  readonly told: ToldOf | null;
  /** The two tables it is compared with; null: nothing there corresponds. */
  readonly plain: PlainVerdict | null;
}

/** What was said of an attack, and what it cost. */
export interface ToldOf {
  readonly struck: Struck;
  readonly report: Report;
  /** What should have been said and was not, or was said and should not; empty: it went as it must. */
  readonly wrong: readonly string[];
  /** Seconds from the strike until it was told: by the signer where it was first, else by the checks. */
  readonly after: number;
}

/** Strikes one attack at a fresh copy of the stage, checks it, and asks the facade. */
export async function strike(stage: Stage, attack: Attack): Promise<ToldOf | null> {
  const copy = await stage.copy(attack.copyOf, attack.withSink);
  try {
    const scene = await openScene(stage, copy);
    let struck: Struck;
    try {
      const size = await scene.sizeOf({ tenantId: stage.target.id, log: 'llm-runs' });
      if (attack.needs !== undefined && size < attack.needs) return null;
      struck = await attack.strike(scene);
    } finally {
      await scene.close();
    }
    const report = await fsck(copy);
    const wrong = [...misjudged(stage, struck, report), ...(await wrongAnswers(stage, copy, struck))];
    return { struck, report, wrong, after: struck.signer?.seconds ?? report.seconds };
  } finally {
    await copy.drop();
  }
}

/** Strikes these attacks one after another, at Sworn and at the two plain tables. */
export async function runCampaign(
  stage: Stage,
  tables: PlainTables,
  attacks: readonly Attack[],
  tell: (outcome: Outcome) => void,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const attack of attacks) {
    const plain = attack.plain === null ? null : await tables.judge(attack.plain);
    // One that could not be struck or checked is as bad as one that was not found, and said as loudly; the others go on.
    const told = await strike(stage, attack).catch((error: unknown) => failed(error));
    const outcome = { attack, told, plain };
    outcomes.push(outcome);
    tell(outcome);
  }
  return outcomes;
}

function failed(error: unknown): ToldOf {
  const report = { seconds: 0, leaves: 0, bytes: 0, findings: [], advisories: [] };
  return { struck: { found: [] }, report, wrong: [`failed: ${String(error)}`], after: 0 };
}
