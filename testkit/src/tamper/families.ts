import { absenceAttacks } from './absences.js';
import type { Attack, Family } from './attack.js';
import { bodyAttacks } from './bodies.js';
import { columnAttacks } from './columns.js';
import { controlAttacks } from './control.js';
import { leafAttacks } from './leaves.js';
import { orderAttacks } from './order.js';
import { signatureAttacks } from './signatures.js';
import { treeAttacks } from './trees.js';
import { unseenAttacks } from './unseen.js';

/** In the order of the scoreboard. */
const FAMILIES: readonly Family[] = [
  leafAttacks,
  columnAttacks,
  bodyAttacks,
  absenceAttacks,
  orderAttacks,
  treeAttacks,
  signatureAttacks,
  controlAttacks,
  unseenAttacks,
];

/** The attacks of the campaign (docs/tamper.md) whose names hold one of these texts; all, when none is given. */
export function attacksLike(...texts: readonly string[]): readonly Attack[] {
  const all = FAMILIES.flatMap((family) => family.attacks);
  return texts.length === 0 ? all : all.filter(({ name }) => texts.some((text) => name.includes(text)));
}
