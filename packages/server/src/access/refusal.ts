import { type Finding, type ProblemCode, PROBLEMS } from '@sworn/contract';

/** A refusal with a code from the one table; `http/` turns it into RFC 9457. Holds no value of any record but the leaf of a compromised one. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: ProblemCode;
  readonly errors: readonly ParameterError[];
  /** Seconds, for `Retry-After`. */
  readonly retryAfter: number | null;
  readonly compromised: Compromised | null;
  /** Id of the access rule that denied it; null: none did. */
  readonly rule: string | null;

  constructor(code: ProblemCode, detail: string, more: RefusalDetails = {}) {
    super(detail);
    this.code = code;
    this.errors = more.errors ?? [];
    this.retryAfter = more.retryAfter ?? (PROBLEMS[code].status === 429 || PROBLEMS[code].status === 503 ? 1 : null);
    this.compromised = more.compromised ?? null;
    this.rule = more.rule ?? null;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }
}

export interface ParameterError {
  readonly parameter: string;
  readonly detail: string;
}

/** What was found wrong with a record that was asked for by id, and its stored bytes. */
export interface Compromised {
  readonly finding: Finding;
  readonly leaf: Uint8Array;
}

interface RefusalDetails {
  readonly errors?: readonly ParameterError[];
  readonly retryAfter?: number;
  readonly compromised?: Compromised;
  readonly rule?: string;
}

/** A 400 that names one parameter. */
export function invalidParameter(parameter: string, detail: string): Refusal {
  return new Refusal('invalid_parameter', `${parameter}: ${detail}`, { errors: [{ parameter, detail }] });
}
