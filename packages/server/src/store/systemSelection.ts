import type { EntrySelection } from './entryPlaces.js';
import { type Sql, sql } from './sql.js';

/** What is asked of `system_records`. Null: not asked. */
export interface SystemFilters {
  readonly component: string | null;
  readonly eventType: string | null;
  readonly severity: string | null;
  readonly correlationId: string | null;
  readonly service: string | null;
  /** True: only what Sworn shares with every tenant; false: only what it does not. */
  readonly shared: boolean | null;
}

/** Indexes `system_records_shared`, `…_correlation`, `…_component`, `…_service`, `…_type`, `…_severity`. LOG and INFO are what nearly all records are: they lead last. */
export function systemSelection(f: SystemFilters): EntrySelection {
  const asked: Sql[] = f.shared === true ? [sql`shared`] : [];
  const [kind, severity] = [sql`event_type = ${f.eventType}`, sql`severity = ${f.severity}`];
  if (f.correlationId !== null) asked.push(sql`correlation_id = ${f.correlationId}`);
  if (f.eventType !== null && f.eventType !== 'LOG') asked.push(kind);
  if (f.severity !== null && f.severity !== 'INFO') asked.push(severity);
  if (f.component !== null) asked.push(sql`component = ${f.component}`);
  if (f.service !== null) asked.push(sql`service = ${f.service}`);
  if (f.eventType === 'LOG') asked.push(kind);
  if (f.severity === 'INFO') asked.push(severity);
  const others = f.shared === false ? [sql`shared is not true`] : [];
  return { table: 'system_records', conditions: [...asked, ...others], leads: asked.map((condition) => [condition]) };
}
