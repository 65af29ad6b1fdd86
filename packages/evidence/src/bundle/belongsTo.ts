import { fromUtf8 } from '../bytes.js';
import { type Members, membersOf } from '../run/members.js';
import type { RunRecords } from './runRecords.js';
import type { RunBond } from './runsStatement.js';

/** What runs belong together by, and its value. */
export interface Bond {
  readonly by: RunBond;
  readonly value: string;
}

/** Whether a run belongs, as its newest RUN leaf says; null: only its steps and events say it, since that leaf names 16 incidents at most. */
export function belongsBySeal({ by, value }: Bond, m: Members): boolean | null {
  switch (by) {
    case 'CONVERSATION':
      return m.text('conversation_id') === value;
    case 'SUBJECT':
      return m.text('human_actor_id') === value;
    case 'INCIDENT': {
      const names = m.texts('incident_ids');
      if (names.includes(value)) return true;
      return (m.count('names_left_out') ?? 0) > 0 ? null : false;
    }
    default:
      return by satisfies never;
  }
}

/** Whether a run belongs, as its leaves say. */
export async function belongsTo(bond: Bond, run: RunRecords): Promise<boolean> {
  const sealed = belongsBySeal(bond, run.newest.members);
  if (sealed !== null) return sealed;
  for (const { members } of run.events) if (namesIncident(members, bond.value)) return true;
  for await (const leaf of run.file.leaves())
    if (namesIncident(membersOf(JSON.parse(fromUtf8(leaf))), bond.value)) return true;
  return false;
}

/** Whether a step or an event names the incident; what a foreign key sent says nothing of a run. */
export function namesIncident(m: Members, incident: string): boolean {
  if (m.flag('foreign') === true) return false;
  const kind = m.text('kind');
  if (kind === 'STEP') return m.texts('incident_ids').includes(incident);
  return (kind === 'AUDIT' || kind === 'GOVERNANCE') && m.text('incident_id') === incident;
}
