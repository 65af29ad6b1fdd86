/** What `sworn` leaves with; printed by `sworn --help`, so that scripts can rely on it. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** The answer is no: what was asked for is not there, or was refused. */
  no: 1,
  /** Could not try: wrong usage or settings, a directory in use, a database that cannot be reached. */
  unable: 2,
  /** `verify` alone: nothing contradicts anything, and no key was pinned. */
  unpinned: 3,
  /** A bug in Sworn; the stack trace says where. */
  bug: 70,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command's ordinary way to fail: a sentence for a person, empty where it said all already, and the exit code for a script. */
export class CommandFailed extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
