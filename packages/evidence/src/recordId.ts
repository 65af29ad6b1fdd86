import { TOPICS, type Topic, topicOfLog } from './topic.js';

/** Where a record stands in its tenant's logs. */
export interface RecordPlace {
  readonly topic: Topic;
  /** 1 to 2^32−1; above 1 only after a recovery. */
  readonly generation: number;
  /** Leaf index, 0 to 2^53−1. */
  readonly index: number;
}

const MAX_GENERATION = 2 ** 32 - 1;
const RECORD_ID = /^([0-9a-f]{8})-0([1-5])00-8000-80([0-9a-f]{2})-([0-9a-f]{12})$/;

/**
 * The public id of a record: a UUIDv8 (RFC 9562 §5.8) that is its place, so that it needs no index and cannot collide within a tenant:
 * generation (32 bits), topic number (8 bits), zeros, and leaf index (56 bits). `00000001-0100-8000-8000-00000000002a` is leaf 42 of `llm-runs`.
 */
export function recordId({ topic, generation, index }: RecordPlace): string {
  if (!Number.isInteger(generation) || generation < 1 || generation > MAX_GENERATION)
    throw new RangeError(`generation ${generation}`);
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`leaf index ${index}`);
  const place = index.toString(16).padStart(14, '0');
  return `${generation.toString(16).padStart(8, '0')}-0${TOPICS.indexOf(topic) + 1}00-8000-80${place.slice(0, 2)}-${place.slice(2)}`;
}

/** The id of a leaf of a log by its stored name; another name is a bug of the caller. */
export function recordIdAt(log: string, index: number): string {
  const topic = topicOfLog(log);
  if (topic === null) throw new RangeError(`${log} is no name of a log`);
  const [, generation = '1'] = log.split('.');
  return recordId({ topic, generation: Number(generation), index });
}

/** The place that an id names; null when it is not, character for character, a record id. Whether a record is there is another question. */
export function parseRecordId(id: string): RecordPlace | null {
  const [, generationHex, topicNumber, high, low] = RECORD_ID.exec(id) ?? [];
  if (generationHex === undefined || high === undefined || low === undefined) return null;
  const topic = TOPICS[Number(topicNumber) - 1];
  const generation = Number.parseInt(generationHex, 16);
  const index = Number.parseInt(high + low, 16);
  if (topic === undefined || generation < 1 || !Number.isSafeInteger(index)) return null;
  return { topic, generation, index };
}
