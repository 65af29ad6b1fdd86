import { spawn } from 'node:child_process';
import type { Look } from './look.js';

/** A hook that hangs must not end the watching. */
const HOOK_MS = 60_000;

/** What a hook is told of. */
export interface HookFacts {
  readonly url: string;
  readonly origin: string;
  readonly look: Extract<Look, { kind: 'finding' }>;
  /** Environment to start from; the watcher's credential is not in it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the program, without a shell and without arguments; the facts are in its environment. Its output goes to standard error.
 * @returns null when it left with 0, else what became of it
 */
export function runHook(program: string, { url, origin, look, env }: HookFacts): Promise<string | null> {
  const facts = {
    WATCH_FINDING: look.finding,
    WATCH_DETAIL: look.detail,
    WATCH_URL: url,
    WATCH_ORIGIN: origin,
    WATCH_REMEMBERED_SIZE: String(look.sizes.remembered ?? ''),
    WATCH_SEEN_SIZE: String(look.sizes.seen ?? ''),
    WATCH_REMEMBERED_FILE: look.kept.remembered ?? '',
    WATCH_SEEN_FILE: look.kept.seen,
  };
  return new Promise((resolve) => {
    const child = spawn(program, [], {
      env: { ...env, ...facts },
      stdio: ['ignore', 2, 2],
      timeout: HOOK_MS,
      killSignal: 'SIGKILL',
    });
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? null : signal === null ? `left with ${code}` : `was ended by ${signal}`),
    );
  });
}
