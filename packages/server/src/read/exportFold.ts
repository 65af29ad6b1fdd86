import { type ExportItem, type ExportRecipient, MAX_RECIPIENTS } from '@sworn/contract';
import type { Members } from '@sworn/evidence';
import { readerIn } from './auditItem.js';

/** What became of an export. */
export type Became = Pick<
  ExportItem,
  | 'export_status'
  | 'requests'
  | 'completed_at'
  | 'content_checksum'
  | 'failure'
  | 'delivered'
  | 'downloads'
  | 'last_downloaded_at'
  | 'recipients'
  | 'recipients_left_out'
>;

/** Of an export that was asked for, and no more. */
export const ASKED: Became = {
  export_status: 'PENDING',
  requests: 1,
  completed_at: null,
  content_checksum: null,
  failure: null,
  delivered: false,
  downloads: 0,
  last_downloaded_at: null,
  recipients: [],
  recipients_left_out: 0,
};

/** What became of an export by its records, in their order. */
export function foldExport(records: readonly Members[]): Became {
  const built = records.reduce(next, ASKED);
  const recipients = recipientsOf(records.filter((m) => m.text('kind') === 'EXPORT_DELIVERED'));
  return {
    ...built,
    downloads: recipients.reduce((sum, { downloads }) => sum + downloads, 0),
    recipients: recipients.slice(0, MAX_RECIPIENTS),
    recipients_left_out: Math.max(0, recipients.length - MAX_RECIPIENTS),
  };
}

/** What an export is after one more record. A failure after it was built once takes nothing away. */
function next(before: Became, m: Members): Became {
  const at = m.text('recorded_at');
  switch (m.text('kind')) {
    case 'EXPORT_COMPLETED': {
      const again = before.completed_at === null ? 0 : 1;
      const checksum = `sha256:${m.text('manifest') ?? ''}`;
      const requests = before.requests + again;
      const built = { export_status: 'COMPLETED', requests, completed_at: at, content_checksum: checksum } as const;
      return { ...before, ...built, failure: null };
    }
    case 'EXPORT_FAILED':
      if (before.completed_at !== null) return before;
      return { ...before, export_status: 'FAILED', failure: m.text('reason_code') };
    case 'EXPORT_DELIVERED':
      return { ...before, delivered: true, last_downloaded_at: at };
    default:
      return before;
  }
}

/**
 * Deliveries by who had what. A download manager takes a file in twenty ranges, and resumes: of one recipient and file those that begin at the first byte
 * are downloads, and all of them together are one where none does, so that nobody has it uncounted by leaving out a byte.
 */
function recipientsOf(delivered: readonly Members[]): ExportRecipient[] {
  const recipients = new Map<string, ExportRecipient>();
  const starts = new Map<string, number>();
  for (const m of delivered) {
    const at = m.text('recorded_at') ?? '';
    const who = { ...readerIn(m), name: m.text('delivered') ?? '', by_link: m.flag('by_link') ?? false };
    const of = JSON.stringify([who, who.actor_id ?? m.text('source')]);
    const before = recipients.get(of) ?? { ...who, deliveries: 0, bytes: 0, first_at: at };
    const begun = (starts.get(of) ?? 0) + ((m.count('range_from') ?? 0) === 0 ? 1 : 0);
    starts.set(of, begun);
    recipients.set(of, {
      ...before,
      downloads: Math.max(1, begun),
      deliveries: before.deliveries + 1,
      bytes: before.bytes + (m.count('bytes') ?? 0),
      last_at: at,
    });
  }
  return [...recipients.values()];
}
