import type { Appended } from '../record/draft.js';
import type { AccessEvent, Fold } from './accessRecord.js';

/** Folds of a process in memory, about 1 KB each. Whoever has a credential and finds no room has records of his own. */
const FOLDS_HELD = 4_096;
/** Of them, those that callers with a credential leave free: or one could fill all, and where strangers come from would be said of none. */
const FOLDS_FOR_STRANGERS = 512;
/** Records that alike refusals of one credential and network have of their own in a minute: enough to see what somebody tries. The rest are counted. */
const REFUSALS_KEPT = 10;
/** Endpoints and reasons of one network that are told apart in a minute; its others are one fold, so that no single source uses up the allowance. */
const KINDS_A_NETWORK = 8;
/**
 * Folds of callers nobody knows: so many at once, and so many more with each minute; whoever comes beyond that is counted in one fold for all.
 * A fold is two records and a data key, 3.7 KB with their indexes: a flood from everywhere that never ends costs some 90 MB a day.
 */
const STRANGERS_AT_ONCE = 256;
const STRANGERS_A_MINUTE = 16;
const MINUTE_MS = 60_000;

/** Alike requests of one minute. */
export interface FoldedReads {
  /** `overflow`: of callers nobody knows, from more sources than the allowance had room for. */
  readonly by: Fold['by'] | 'overflow';
  readonly tenantId: string;
  /** Up to the minute, `2026-11-25T04:16`. */
  readonly minute: string;
  /** Whether endpoint and reason differ among them. */
  readonly isMixed: boolean;
  /** Records that they may have of their own. */
  readonly keeps: number;
  /** Records of their own that are written or on their way. */
  own: number;
  /** The newest of those: what is only counted is answered when this one is durable. */
  latest: Promise<Appended> | null;
  /** A durable record that stands for those counted. */
  standIn: StandIn | null;
  /** Those that have no record of their own. */
  count: number;
  /** Times of the first and the last of those counted; empty before there is one. */
  firstAt: string;
  lastAt: string;
}

/** A record of its own, and where it stands. Nothing that the client may make long: this is kept for a minute. */
export interface StandIn
  extends Pick<
    AccessEvent,
    | 'requestId'
    | 'endpoint'
    | 'credential'
    | 'permission'
    | 'rule'
    | 'decision'
    | 'reason'
    | 'status'
    | 'source'
    | 'runId'
  > {
  readonly place: Appended;
}

/** The folds of a process: which there are, how many there may be. Writes nothing. */
export class Folds {
  readonly #open = new Map<string, FoldedReads>();
  /** Their minute is over, and what they counted is not durable yet. */
  readonly #over = new Set<FoldedReads>();
  /** Folds of each network in `#minute`. */
  readonly #kinds = new Map<string, number>();
  #minute = '';
  #allowance = STRANGERS_AT_ONCE;
  #allowedAt = 0;

  /** The fold of an event; null: there is no room, and it has a record of its own. */
  of(event: AccessEvent, fold: Fold): FoldedReads | null {
    const minute = event.at.slice(0, 16);
    if (fold.by === 'source') return this.#ofStranger(event, fold.network, minute);
    const alike = fold.by === 'poll' ? fold.representation : event.reason;
    const name = [minute, fold.by, event.tenantId, event.credential?.id, fold.network, event.endpoint, alike].join(
      '\0',
    );
    const open = this.#open.get(name);
    if (open !== undefined || this.#isFull(FOLDS_FOR_STRANGERS)) return open ?? null;
    return this.#begin(name, event, { by: fold.by, keeps: fold.by === 'refusal' ? REFUSALS_KEPT : 1 });
  }

  /** Folds to be written: those of minutes before this one, or all, and what was handed out before and is not `written`. No event joins them any more. */
  over(minute: string | null): readonly FoldedReads[] {
    for (const [name, fold] of this.#open) {
      if (minute !== null && fold.minute >= minute) continue;
      this.#open.delete(name);
      this.#over.add(fold);
    }
    return [...this.#over];
  }

  /** What these counted is durable, or they counted nothing. */
  written(folds: readonly FoldedReads[]): void {
    for (const fold of folds) this.#over.delete(fold);
  }

  /** These could not be written now; the others come first next time. */
  postponed(folds: readonly FoldedReads[]): void {
    for (const fold of folds) {
      this.#over.delete(fold);
      this.#over.add(fold);
    }
  }

  #ofStranger(event: AccessEvent, network: string, minute: string): FoldedReads {
    if (minute !== this.#minute) this.#kinds.clear();
    this.#minute = minute;
    const { tenantId } = event;
    const exact = [minute, 'source', tenantId, network, event.endpoint, event.reason].join('\0');
    const open = this.#open.get(exact);
    if (open !== undefined) return open;
    const kinds = this.#kinds.get(network) ?? 0;
    const isMixed = kinds >= KINDS_A_NETWORK;
    const name = isMixed ? [minute, 'network', tenantId, network].join('\0') : exact;
    const wider = this.#open.get(name);
    if (wider !== undefined) return wider;
    if (!this.#isFull(0) && this.#allow(Date.parse(event.at))) {
      this.#kinds.set(network, kinds + 1);
      return this.#begin(name, event, { by: 'source', keeps: 1, isMixed });
    }
    // One a minute, and always there: what has no credential never gets around being folded.
    const all = [minute, 'overflow', tenantId].join('\0');
    return this.#open.get(all) ?? this.#begin(all, event, { by: 'overflow', keeps: 1, isMixed: true });
  }

  #begin(
    name: string,
    event: AccessEvent,
    kind: Pick<FoldedReads, 'by' | 'keeps'> & { readonly isMixed?: boolean },
  ): FoldedReads {
    const fold: FoldedReads = {
      isMixed: false,
      ...kind,
      tenantId: event.tenantId,
      minute: event.at.slice(0, 16),
      own: 0,
      latest: null,
      standIn: null,
      count: 0,
      firstAt: '',
      lastAt: '',
    };
    this.#open.set(name, fold);
    return fold;
  }

  #isFull(free: number): boolean {
    return this.#open.size + this.#over.size >= FOLDS_HELD - free;
  }

  #allow(nowMs: number): boolean {
    const gained = (Math.max(0, nowMs - this.#allowedAt) * STRANGERS_A_MINUTE) / MINUTE_MS;
    this.#allowance = Math.min(STRANGERS_AT_ONCE, this.#allowance + gained);
    this.#allowedAt = nowMs;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }
}
