import { NotSequenced } from './notSequenced.js';

/** A clock jump beyond this stops sequencing: `recorded_at` would no longer mean what it says. Seconds of drift are normal, a minute is not. */
const MAX_CLOCK_JUMP_MS = 60_000;

/** The database's clock left the monotonic clock by more than `MAX_CLOCK_JUMP_MS`; nothing is sequenced until a recorded act accepts it. */
export class ClockJumped extends NotSequenced {
  readonly jumpMs: number;

  constructor(jumpMs: number) {
    super(
      `the database clock jumped by ${Math.round(jumpMs / 1000)} s against the monotonic clock; check it, then run: sworn clock accept`,
    );
    this.jumpMs = jumpMs;
  }
}

/** Compares each reading of the database's clock with the process's monotonic one. */
export interface ClockGuard {
  /** @throws ClockJumped once the clocks part, and at every later reading until `accept`. */
  check(databaseTime: string): void;
  /** The jump that stopped sequencing, in milliseconds; null while all is well. */
  jumped(): number | null;
  /** Takes the next reading as right. Only after a recorded act (`control` kind CLOCK_ACCEPTED). */
  accept(): void;
}

/** `monotonicMs` is injected so that tests can part the clocks. */
export function createClockGuard(monotonicMs: () => number): ClockGuard {
  let anchor: { readonly database: number; readonly monotonic: number } | null = null;
  let jump: number | null = null;
  return {
    check(databaseTime) {
      if (jump !== null) throw new ClockJumped(jump);
      const database = Date.parse(databaseTime);
      const monotonic = monotonicMs();
      if (anchor !== null) {
        const parted = database - anchor.database - (monotonic - anchor.monotonic);
        if (Math.abs(parted) > MAX_CLOCK_JUMP_MS) {
          jump = parted;
          throw new ClockJumped(parted);
        }
      }
      // Re-anchored at each reading: slow drift is no jump.
      anchor = { database, monotonic };
    },
    jumped: () => jump,
    accept() {
      jump = null;
      anchor = null;
    },
  };
}
