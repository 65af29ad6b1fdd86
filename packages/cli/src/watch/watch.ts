import { setTimeout as pause } from 'node:timers/promises';
import { EXIT, type ExitCode } from '../exitCode.js';
import { runHook } from './hook.js';
import type { LogServer } from './logServer.js';
import { type Look, lookOnce, type WatchFinding } from './look.js';
import type { WatchMemory } from './memory.js';
import type { Pin } from './pin.js';

/** The longest pause after looks that came to nothing, unless the ordinary one is longer. */
const MAX_BACKOFF_SECONDS = 900;

/** A watch over one log. */
export interface Watch {
  readonly url: string;
  readonly server: LogServer;
  readonly pin: Pin;
  readonly memory: WatchMemory;
  readonly everySeconds: number;
  readonly once: boolean;
  /** Program to run on a finding; null: the first finding ends the watch. */
  readonly hook: string | null;
  /** Environment of the hook. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly tell: (look: Look) => void;
  /** Says what became of a hook that failed. */
  readonly warn: (message: string) => void;
}

/** Looks until a finding ends it, or once. @returns what the command leaves with */
export async function watch({ once, hook, everySeconds, tell, ...of }: Watch): Promise<ExitCode> {
  /** Findings the hook was run for since the last good look: one that lasts is told each time, and acted on once. */
  const actedOn = new Set<WatchFinding>();
  let unable = 0;
  for (;;) {
    const look = await lookOnce(of.server, of.pin, of.memory);
    tell(look);
    unable = look.kind === 'unable' ? unable + 1 : 0;
    if (look.kind === 'good') actedOn.clear();
    if (look.kind === 'finding') {
      if (hook === null) return EXIT.no;
      if (!actedOn.has(look.finding)) {
        actedOn.add(look.finding);
        const failed = await runHook(hook, { url: of.url, origin: of.pin.origin, look, env: of.env });
        if (failed !== null) of.warn(`the hook ${hook} ${failed}`);
      }
    }
    if (once) return look.kind === 'good' ? EXIT.ok : look.kind === 'finding' ? EXIT.no : EXIT.unable;
    await pause(pauseAfter(unable, everySeconds) * 1000);
  }
}

/** Seconds until the next look: longer each time nothing could be learned. */
function pauseAfter(unable: number, everySeconds: number): number {
  return Math.min(everySeconds * 2 ** Math.min(unable, 20), Math.max(everySeconds, MAX_BACKOFF_SECONDS));
}
