import { type Block, said } from './block.js';
import { grouped, many, timeText } from './figures.js';
import { beyond } from './named.js';
import type { Report } from './report.js';

/** Whose hands the records went through inside the log. */
export function* custody(report: Report): Generator<Block> {
  yield* sentBy(report);
  yield sealedBy(report);
  yield* coveredBy(report);
}

/** Who sent the records. */
export function* sentBy({ survey }: Pick<Report, 'survey'>): Generator<Block> {
  yield { kind: 'heading', text: 'Chain of custody' };
  yield {
    kind: 'paragraph',
    text: 'Each record came in over the network from an application that showed an ingest key. The log numbered it, wrote the time by its own clock, and stored it; no record is ever changed. A signer that remembers what it signed before puts its signature under all records up to a size: a checkpoint. When the run had ended, the log wrote down, as a record of its own, of how many steps and events it is and what they hash to: it sealed the run.',
  };
  yield {
    kind: 'table',
    caption: 'Sent by',
    columns: [
      { head: 'Ingest key', share: 36 },
      { head: 'Spoke for', share: 24 },
      { head: 'Records', share: 10 },
      { head: 'First and last recorded (UTC)', share: 30 },
    ],
    rows: [
      ...survey.producers.items.map((one) => [
        said(one.key, { mono: true }),
        [
          ...one.services.flatMap((service) => said(service)),
          ...said(one.otherServices === 0 ? null : `and others, in ${many(one.otherServices, 'record')}`),
        ],
        said(grouped(one.records)),
        [...said(timeText(one.firstRecordedAt)), ...said(timeText(one.lastRecordedAt))],
      ]),
      ...beyond(survey.producers),
      [said('the log itself'), [], said(grouped(survey.bySworn)), []],
    ],
  };
}

/** When which leaf said what of a run. */
export function sealedBy({ seals, statement }: Report): Block {
  return {
    kind: 'table',
    caption: 'Opened and sealed by',
    columns: [
      { head: 'Record of the log', share: 26 },
      { head: 'What it says', share: 24 },
      { head: 'Recorded (UTC)', share: 20 },
      { head: 'SHA-256 of the record', share: 30 },
    ],
    rows: seals.map(({ revision, recordedAt, log, index, checksum }) => [
      said(`${log} #${index}`),
      [
        ...said(revision === 0 ? 'the run was opened' : `sealed, revision ${revision}`),
        ...said(isNewest(statement, log, index) ? 'this report shows the run as of it' : null),
      ],
      said(timeText(recordedAt)),
      said(checksum.replace('sha256:', ''), { mono: true }),
    ]),
  };
}

/** Under which checkpoints the records lie. */
export function* coveredBy({ logs, statement }: Proven): Generator<Block> {
  yield {
    kind: 'table',
    caption: 'Covered by',
    columns: [
      { head: 'Log', share: 20 },
      { head: 'Checkpoint', share: 50 },
      { head: 'Records in this bundle', share: 30 },
    ],
    rows: statement.logs.map(({ log, shown, withheld }) => [
      said(log, { strong: true }),
      said(`covers the first ${grouped(logs.find((one) => one.log === log)?.size ?? 0)} records of the log`),
      [...said(`${grouped(shown)} whole`), ...said(withheld === 0 ? null : `${grouped(withheld)} withheld`)],
    ]),
  };
  yield {
    kind: 'paragraph',
    text: 'Who asked for this bundle, when it was made and who has had it since is not in this file, which is the same bytes for ever: it is in attestation.dsse.json, signed, and in the log of access.',
  };
}

/** What is told of the logs of a bundle. */
type Proven = Pick<Report, 'logs'> & { readonly statement: Pick<Report['statement'], 'format' | 'logs'> };

function isNewest({ complete_by: by }: Report['statement'], log: string, index: number): boolean {
  return by.log === log && by.leaf_index === index;
}

/** What the records are proven against. */
export function* integrity({ logs, statement }: Proven): Generator<Block> {
  yield { kind: 'heading', text: 'Integrity statement' };
  yield {
    kind: 'paragraph',
    text: `Records are leaves of Merkle trees (RFC 6962), one tree a log, with SHA-256. Whoever has the root of a tree can tell whether a record lies in it unchanged; the roots below are signed with Ed25519 (C2SP checkpoints). Compare the fingerprint with that of the key you were given. Bundle format: ${statement.format}.`,
  };
  for (const { log, origin, size, root, note, keyFingerprint } of logs) {
    yield { kind: 'subheading', text: `Log ${log}` };
    yield {
      kind: 'facts',
      facts: [
        { term: 'Origin', value: said(origin, { mono: true }) },
        { term: 'Size', value: said(many(size, 'record')) },
        { term: 'Root', value: said(root, { mono: true }) },
        { term: 'SHA-256 of the key', value: said(keyFingerprint, { mono: true }) },
      ],
    };
    yield { kind: 'code', text: note };
  }
}
