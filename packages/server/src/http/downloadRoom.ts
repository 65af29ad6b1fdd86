import type { ServerResponse } from 'node:http';
import { Refusal } from '../access/refusal.js';

/**
 * Downloads under way of one tenant, and of all: each holds a few pieces of 64 KiB and an open file for as long as its reader has patience. A download
 * manager takes sixteen connections at most.
 */
const DOWNLOADS_A_TENANT = 32;
const DOWNLOADS = 128;

/** Counts downloads under way. */
export interface DownloadRoom {
  /** Given back when the answer is over, however it ended. @throws Refusal `unavailable` */
  enter(tenantId: string, response: ServerResponse): void;
}

export function createDownloadRoom(): DownloadRoom {
  const mine = new Map<string, number>();
  let all = 0;
  const count = (tenantId: string, by: number): void => {
    const now = (mine.get(tenantId) ?? 0) + by;
    if (now === 0) mine.delete(tenantId);
    else mine.set(tenantId, now);
    all += by;
  };
  return {
    enter(tenantId, response) {
      if (all >= DOWNLOADS || (mine.get(tenantId) ?? 0) >= DOWNLOADS_A_TENANT)
        throw new Refusal('unavailable', 'more downloads are under way than are served at a time', { retryAfter: 5 });
      if (response.closed) return;
      count(tenantId, 1);
      response.once('close', () => count(tenantId, -1));
    },
  };
}
