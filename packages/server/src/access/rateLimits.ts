import { isLoopback, networkOf } from '../networks.js';
import type { Authenticate } from './authenticate.js';
import { type Credential, nameOf } from './credential.js';
import { Refusal } from './refusal.js';

/** Requests a minute, and of one burst; 0: as many as come. */
export interface Rates {
  /** Of an address: IPv4, or the /64 of IPv6. */
  readonly address: number;
  /** Of an address of this machine: whoever is there is at the machine, or behind a proxy that is not named, and then all share it. */
  readonly loopback: number;
  /** Of a credential, wherever it is used. */
  readonly credential: number;
}

/** How a caller stands after a request: an item of `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11). */
export interface Standing {
  readonly policy: 'address' | 'credential';
  /** Requests of a minute, and of one burst. */
  readonly quota: number;
  readonly remaining: number;
  /** Seconds until there is room for one more, if there is none, else until all is free again. */
  readonly resetSeconds: number;
  /** This request was beyond it. */
  readonly isOver: boolean;
}

/** Limits that all listeners of one process share. In its memory: two processes let twice as much through, and a new one knows nobody. */
export interface RateLimits {
  /** Before anybody is known. Null: nobody limits it. */
  ofAddress(source: string): Standing | null;
  /** Once it is verified. */
  ofCredential(credential: Credential): Standing | null;
  /** What was shown from there was no credential: that costs more. */
  failed(source: string): void;
}

/** What limiting needs. */
export interface RateLimitsDeps {
  readonly rates: Rates;
  /** Milliseconds of a clock that nobody sets; the process's own unless told otherwise. */
  readonly monotonicMs?: () => number;
  /** Told of each request that was beyond. */
  readonly tell?: (policy: Standing['policy']) => void;
}

const MINUTE_S = 60;
const MINUTE_MS = 60_000;
/** Requests that one with a bad credential counts as: what it costs us is a look in the database, and honest programs do not guess. */
const FAILURE_COST = 10;
/** Addresses remembered, and as many credentials, about 150 bytes each; whoever asked longest ago goes first, and has a whole quota again. */
const HELD = 20_000;

/** Token buckets: each holds a minute's quota and fills up evenly. */
export function createRateLimits({
  rates,
  monotonicMs = () => performance.now(),
  tell = () => undefined,
}: RateLimitsDeps): RateLimits {
  const [addresses, credentials] = [new Buckets(monotonicMs), new Buckets(monotonicMs)];
  const quotaOf = (source: string): number => (isLoopback(source) ? rates.loopback : rates.address);
  const told = (policy: Standing['policy'], taken: Taken): Standing => {
    if (taken.isOver) tell(policy);
    return { policy, ...taken };
  };
  return {
    ofAddress(source) {
      const quota = quotaOf(source);
      return quota === 0 ? null : told('address', addresses.take(networkOf(source), quota));
    },
    ofCredential(credential) {
      const name = `${credential.tenantId} ${nameOf(credential).id}`;
      return rates.credential === 0 ? null : told('credential', credentials.take(name, rates.credential));
    },
    failed(source) {
      const quota = quotaOf(source);
      if (quota > 0) addresses.charge(networkOf(source), quota, FAILURE_COST - 1);
    },
  };
}

/** Counts each credential that is shown and is none. What is away is no failure of whoever shows it, and showing none is no guess. */
export function countingFailures<C extends Credential>(
  limits: RateLimits | undefined,
  authenticate: Authenticate<C>,
): Authenticate<C> {
  return async (headers, source) => {
    try {
      return await authenticate(headers, source);
    } catch (error) {
      const isShown = [headers.authorization, headers['x-api-key']].some((shown) => (shown?.length ?? 0) > 0);
      if (isShown && error instanceof Refusal && error.status < 500) limits?.failed(source);
      throw error;
    }
  };
}

/** What whoever is beyond it is told. */
export function beyond({ policy, quota }: Standing): string {
  return `this ${policy} asks more than ${quota} times a minute`;
}

/** `RateLimit-Policy` and `RateLimit`; no header where nothing is limited. */
export function rateHeaders(standings: readonly Standing[]): Readonly<Record<string, string>> {
  if (standings.length === 0) return {};
  return {
    'ratelimit-policy': standings.map(({ policy, quota }) => `"${policy}";q=${quota};w=${MINUTE_S}`).join(', '),
    ratelimit: standings
      .map(({ policy, remaining, resetSeconds }) => `"${policy}";r=${remaining};t=${resetSeconds}`)
      .join(', '),
  };
}

type Taken = Omit<Standing, 'policy'>;

interface Bucket {
  /** Below 0: a debt, of a minute's quota at most. */
  readonly tokens: number;
  readonly at: number;
}

class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** One request; one that is beyond costs nothing, so that whoever goes on knocking gets in as soon as anybody. */
  take(name: string, quota: number): Taken {
    const before = this.#now(name, quota);
    const isOver = before.tokens < 1;
    const tokens = isOver ? before.tokens : before.tokens - 1;
    this.#keep(name, { ...before, tokens });
    const missing = tokens < 1 ? 1 - tokens : quota - tokens;
    return {
      quota,
      remaining: Math.max(0, Math.floor(tokens)),
      resetSeconds: Math.max(1, Math.ceil((missing * MINUTE_S) / quota)),
      isOver,
    };
  }

  charge(name: string, quota: number, cost: number): void {
    const before = this.#now(name, quota);
    this.#keep(name, { ...before, tokens: Math.max(-quota, before.tokens - cost) });
  }

  #now(name: string, quota: number): Bucket {
    const at = this.#monotonicMs();
    const before = this.#buckets.get(name);
    if (before === undefined) return { tokens: quota, at };
    return { tokens: Math.min(quota, before.tokens + ((at - before.at) * quota) / MINUTE_MS), at };
  }

  #keep(name: string, bucket: Bucket): void {
    // At the end again, so that the first is whoever asked longest ago.
    this.#buckets.delete(name);
    if (this.#buckets.size >= HELD) {
      const oldest = this.#buckets.keys().next();
      if (!oldest.done) this.#buckets.delete(oldest.value);
    }
    this.#buckets.set(name, bucket);
  }
}
