import {
  fromUtf8,
  type JsonObject,
  type Members,
  membersOf,
  money,
  type RecordFile,
  topicOfLog,
} from '@sworn/evidence';

/** Who and what the records of a bundle name, counted. */
export interface Survey {
  /** By the key that sent them. */
  readonly producers: Tally<Producer>;
  /** Records that Sworn wrote itself. */
  readonly bySworn: number;
  readonly models: Tally<ModelUse>;
  /** Calls of each tool. */
  readonly tools: Tally<Named>;
  /** Steps of each agent. */
  readonly agents: Tally<Named>;
  /** Steps and events of each person, by the token that stands for him. */
  readonly humans: Tally<Named>;
  readonly redaction: Redaction;
}

/** The first so many that were met, in the order of their names, and how many records name others. */
export interface Tally<T> {
  readonly items: readonly T[];
  /** Records that name something beyond the first `MAX_NAMES`. */
  readonly elsewhere: number;
}

/** Something with a name, and how often it is named. */
export interface Named {
  readonly name: string;
  readonly count: number;
}

/** One ingest key: what it sent. */
export interface Producer {
  readonly key: string;
  /** It spoke for these. */
  readonly services: readonly string[];
  /** Records that name services beyond those. */
  readonly otherServices: number;
  readonly records: number;
  readonly firstRecordedAt: string;
  readonly lastRecordedAt: string;
}

/** What one model was asked; sums of what its steps say, in which a call that is told of twice counts twice. */
export interface ModelUse {
  readonly provider: string | null;
  readonly model: string;
  readonly steps: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Steps that say a cost, and its sum: exact decimals of US dollars, null where none does. */
  readonly reported: { readonly steps: number; readonly usd: string | null };
  /** The same of those that Sworn priced when they came in. */
  readonly priced: { readonly steps: number; readonly usd: string | null };
}

/** What was removed before anything was stored. */
export interface Redaction {
  /** Records of which something was removed. */
  readonly records: number;
  /** Values removed, by rule. */
  readonly rules: Tally<Named>;
  /** Records that name not all of their removed values. */
  readonly unnamed: number;
}

/** Names of one sort that a report lists; a run has a handful. Beyond it they are counted, and stand in the records. */
export const MAX_NAMES = 200;
/** Services listed of one key. */
const MAX_SERVICES = 20;

/** Reads every leaf once, and holds names and sums only. */
export async function surveyOf(files: readonly RecordFile[]): Promise<Survey> {
  const producers = new Counter<ProducerCount>();
  const models = new Counter<ModelCount>();
  const [tools, agents, humans, rules] = [new Names(), new Names(), new Names(), new Names()];
  let [bySworn, redacted, unnamed] = [0, 0, 0];
  for (const file of files) {
    for await (const bytes of file.leaves()) {
      const m = membersOf(JSON.parse(fromUtf8(bytes)) as JsonObject);
      if (m.text('by') === 'sworn') bySworn++;
      else producers.at(m.text('key') ?? '', newProducer)?.add(m);
      const isStep = m.text('kind') === 'STEP';
      if (isStep) models.at(JSON.stringify([modelOf(m), m.text('provider')]), newModel(m))?.add(m);
      if (isStep) tools.add(m.text('tool'));
      if (isStep) agents.add(m.text('agent_id'));
      if (isStep || topicOfLog(file.log) === 'audit') humans.add(m.text('human_actor_id'));
      for (const one of m.objects('redacted')) rules.add(one.text('rule'));
      if (m.objects('redacted').length > 0) redacted++;
      if (m.flag('redacted_more') === true || m.count('redacted_more') !== null) unnamed++;
    }
  }
  return {
    producers: producers.tally((one) => one.said()),
    bySworn,
    models: withoutNameless(models.tally((one) => one.said())),
    tools: tools.named(),
    agents: agents.named(),
    humans: humans.named(),
    redaction: { records: redacted, rules: rules.named(), unnamed },
  };
}

/** Things by key: at most `MAX_NAMES` of them. */
class Counter<T> {
  readonly #byKey = new Map<string, T>();
  #elsewhere = 0;

  at(key: string, make: (key: string) => T): T | null {
    let one = this.#byKey.get(key);
    if (one !== undefined) return one;
    if (this.#byKey.size === MAX_NAMES) {
      this.#elsewhere++;
      return null;
    }
    one = make(key);
    this.#byKey.set(key, one);
    return one;
  }

  tally<S>(say: (one: T) => S): Tally<S> {
    const items = [...this.#byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => say(one));
    return { items, elsewhere: this.#elsewhere };
  }
}

/** Names, counted. */
class Names {
  readonly #counts = new Counter<{ readonly name: string; count: number }>();

  add(name: string | null): void {
    const one = name === null ? null : this.#counts.at(name, (key) => ({ name: key, count: 0 }));
    if (one !== null) one.count++;
  }

  named(): Tally<Named> {
    return this.#counts.tally((one) => ({ ...one }));
  }
}

interface ProducerCount {
  add(m: Members): void;
  said(): Producer;
}

function newProducer(key: string): ProducerCount {
  const services = new Set<string>();
  let [otherServices, records, first, last] = [0, 0, '', ''];
  return {
    add(m) {
      const [service, at] = [m.text('service'), m.text('recorded_at') ?? ''];
      records++;
      if (first === '' || at < first) first = at;
      if (at > last) last = at;
      if (service === null || services.has(service)) return;
      if (services.size < MAX_SERVICES) services.add(service);
      else otherServices++;
    },
    said: () => ({
      key,
      services: [...services].sort(),
      otherServices,
      records,
      firstRecordedAt: first,
      lastRecordedAt: last,
    }),
  };
}

interface ModelCount {
  add(m: Members): void;
  said(): ModelUse;
}

function modelOf(m: Members): string | null {
  return m.text('model') ?? m.text('request_model');
}

function newModel(of: Members): () => ModelCount {
  return () => {
    let [steps, inputTokens, outputTokens] = [0, 0, 0];
    const [reported, priced] = [costSum(), costSum()];
    return {
      add(m) {
        steps++;
        inputTokens += m.count('input_tokens') ?? 0;
        outputTokens += m.count('output_tokens') ?? 0;
        const cost = m.count('cost_nano_usd');
        if (cost === null) priced.add(m.count('priced_nano_usd'));
        else reported.add(cost);
      },
      said: () => ({
        provider: of.text('provider'),
        model: modelOf(of) ?? '',
        steps,
        inputTokens,
        outputTokens,
        reported: reported.said(),
        priced: priced.said(),
      }),
    };
  };
}

function costSum() {
  let [steps, sum] = [0, 0];
  return {
    add(nanoUsd: number | null): void {
      if (nanoUsd === null) return;
      steps++;
      sum += nanoUsd;
    },
    said: () => ({ steps, usd: steps === 0 ? null : money(sum) }),
  };
}

/** Steps that name no model are no use of one. */
function withoutNameless({ items, elsewhere }: Tally<ModelUse>): Tally<ModelUse> {
  return { items: items.filter(({ model }) => model !== ''), elsewhere };
}
