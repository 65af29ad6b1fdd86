import type { Disclosure } from '@sworn/evidence';
import { topicOfLog } from '@sworn/evidence';
import { Refusal } from '../access/refusal.js';
import { type Grant, maySee } from '../access/ruling.js';
import type { Pin } from '../read/reading.js';

// A bundle is whole or not there: whoever may not see one record of it may not have it.

/** Logs of a bundle whose records the key may see; all of them, or it is withheld. */
export function visiblePins<P extends Pin>(grant: Grant, pins: readonly P[]): readonly P[] {
  return pins.filter(({ log }) => isVisible(grant, log));
}

/** @throws Refusal `permission_denied` */
export function demandVisible(grant: Grant, pins: readonly Pin[]): void {
  const hidden = pins.filter(({ log }) => !isVisible(grant, log)).map(({ log }) => log);
  if (hidden.length > 0)
    throw denied(grant, `the bundle holds records of ${hidden.join(' and ')}, which the key may not see`);
}

/** Contents need what reading them one by one needs. @throws Refusal `permission_denied` */
export function demandDisclosure(grant: Grant, disclosure: Disclosure): void {
  if (disclosure === 'none') return;
  if (grant.payloads !== 'full') throw denied(grant, `shows no contents (payloads: ${grant.payloads})`, 'disclose');
  if (disclosure === 'governance' && !maySee(grant, 'audit'))
    throw denied(grant, 'contents of governance take logs.audit and a key that is for AUDIT', 'disclose');
}

function isVisible(grant: Grant, log: string): boolean {
  const topic = topicOfLog(log);
  return topic !== null && maySee(grant, topic);
}

function denied({ rule }: Grant, detail: string, parameter?: string): Refusal {
  const errors = parameter === undefined ? [] : [{ parameter, detail }];
  const named = parameter === undefined ? detail : `${parameter}: ${detail}`;
  return new Refusal('permission_denied', `${rule.id}: ${named}`, { rule: rule.id, errors });
}
