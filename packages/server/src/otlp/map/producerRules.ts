import { nameShaped } from './name.js';
import { type Mistake, StrictReading } from './strictReading.js';

/** What a producer may be expected to send. */
export const SIGNALS = ['traces', 'logs', 'metrics'] as const;
export type Signal = (typeof SIGNALS)[number];

const DAYS = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'] as const;
export type Day = (typeof DAYS)[number];

/** When somebody is expected: from one minute of a day to another, maybe over midnight, on the days on which it begins. */
export interface Hours {
  /** Minutes since midnight; equal: all day. */
  readonly from: number;
  readonly to: number;
  readonly days: readonly Day[];
  /** IANA name. */
  readonly timeZone: string;
}

/** A producer that should report, as its file has it. */
export interface ExpectedProducer {
  readonly service: string;
  readonly signals: readonly Signal[];
  /** The longest silence of each signal. */
  readonly silenceSeconds: number;
  /** Null: in every tenant but the platform's. */
  readonly tenantId: string | null;
  /** Null: always. */
  readonly hours: Hours | null;
}

/** Thrown for producers that cannot be used; names every mistake. */
export class ProducersRefused extends Error {
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    super(`producers:\n${mistakes.map(({ path, why }) => `  - ${path.join('.')}: ${why}`).join('\n')}`);
    this.mistakes = mistakes;
  }
}

/** Each silent one costs a look at every new record of its tenant. */
const MAX_PRODUCERS = 64;
/** Two rounds of whoever looks: what is shorter could not be told from how long a round takes. */
const MIN_SILENCE_SECONDS = 20;
/** A week: whoever may be silent for longer is not expected. */
const MAX_SILENCE_SECONDS = 604_800;
const TENANT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/;

/**
 * Compiles who should report. Strict: what is unknown, missing, twice there or of another form is a mistake.
 * @throws ProducersRefused naming every mistake.
 */
export function compileProducers(content: unknown): readonly ExpectedProducer[] {
  const reading = new StrictReading();
  const file = reading.object(content, [], ['version', 'producers']);
  if (file['version'] !== 1) reading.refuse(['version'], 'must be 1');
  const read = reading
    .entries(file['producers'], ['producers'], ['service', 'signals', 'silence_seconds'], ['tenant', 'hours'])
    .map(({ entry, path }) => producerOf(reading, entry, path));
  if (read.length > MAX_PRODUCERS) reading.refuse(['producers'], `must be at most ${MAX_PRODUCERS}`);
  refuseTwice(reading, read);
  if (reading.mistakes.length > 0) throw new ProducersRefused(reading.mistakes);
  return read;
}

type Path = readonly (string | number)[];
type Entry = Readonly<Record<string, unknown>>;

function producerOf(reading: StrictReading, entry: Entry, path: Path): ExpectedProducer {
  const { service, silence_seconds: silence, tenant, hours } = entry;
  // A leaf says nothing else of a service.
  const isName = typeof service === 'string' && nameShaped(service);
  if (!isName) reading.refuse([...path, 'service'], 'must be a service.name: at most 128 letters, digits and ._:/@+#-');
  const signals = reading
    .list(entry['signals'], [...path, 'signals'])
    .flatMap((signal, at) => reading.oneOf(SIGNALS, signal, [...path, 'signals', at]) ?? []);
  if (signals.length === 0 || new Set(signals).size < signals.length)
    reading.refuse([...path, 'signals'], `must name each of ${SIGNALS.join(', ')} at most once, and one at least`);
  if (!isWhole(silence, MIN_SILENCE_SECONDS, MAX_SILENCE_SECONDS))
    reading.refuse(
      [...path, 'silence_seconds'],
      `must be whole seconds from ${MIN_SILENCE_SECONDS} to ${MAX_SILENCE_SECONDS}`,
    );
  const isTenant = typeof tenant === 'string' && TENANT.test(tenant);
  if (tenant !== undefined && !isTenant)
    reading.refuse([...path, 'tenant'], 'must be the id of a tenant, as `sworn tenant list` shows it');
  return {
    service: isName ? service : '',
    signals,
    silenceSeconds: typeof silence === 'number' ? silence : 0,
    tenantId: isTenant ? tenant : null,
    hours: hours === undefined ? null : hoursOf(reading, hours, [...path, 'hours']),
  };
}

function hoursOf(reading: StrictReading, value: unknown, path: Path): Hours {
  const entry = reading.object(value, path, ['from', 'to'], ['days', 'time_zone']);
  const days =
    entry['days'] === undefined
      ? DAYS
      : reading
          .list(entry['days'], [...path, 'days'])
          .flatMap((day, at) => reading.oneOf(DAYS, day, [...path, 'days', at]) ?? []);
  if (days.length === 0) reading.refuse([...path, 'days'], 'must name a day, or be left out');
  return {
    from: minuteOf(reading, entry['from'], [...path, 'from']),
    to: minuteOf(reading, entry['to'], [...path, 'to']),
    days,
    timeZone: zoneOf(reading, entry['time_zone'], [...path, 'time_zone']),
  };
}

function minuteOf(reading: StrictReading, value: unknown, path: Path): number {
  const [, hour, minute] = (typeof value === 'string' && TIME.exec(value)) || [];
  // Without quotes some readers of YAML take 08:30 for a number.
  if (hour === undefined) reading.refuse(path, 'must be a time of day in quotes, "00:00" to "23:59"');
  return Number(hour ?? 0) * 60 + Number(minute ?? 0);
}

function zoneOf(reading: StrictReading, value: unknown, path: Path): string {
  if (value === undefined) return 'UTC';
  try {
    if (typeof value === 'string') return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone;
  } catch {
    // Told below.
  }
  reading.refuse(path, 'must be a time zone of the IANA database, such as Europe/Berlin');
  return 'UTC';
}

/** Two limits for one thing contradict each other. */
function refuseTwice(reading: StrictReading, producers: readonly ExpectedProducer[]): void {
  for (const [at, { service, signals, tenantId }] of producers.entries()) {
    const before = producers
      .slice(0, at)
      .findIndex(
        (one) =>
          one.service === service &&
          (one.tenantId === null || tenantId === null || one.tenantId === tenantId) &&
          one.signals.some((signal) => signals.includes(signal)),
      );
    if (before !== -1)
      reading.refuse(['producers', at], `expects of ${service} what producers › ${before} expects of it already`);
  }
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most;
}
