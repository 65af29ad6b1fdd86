import { Proof } from './envelope.js';
import { CompromisedItem, Finding, OpenFinding } from './finding.js';
import { AggregateMetadata, Clear, RecordMetadata } from './metadata.js';
import { OcsfEvent } from './ocsf.js';
import { Problem } from './problem.js';
import { Inflection } from './run.js';

/** A shape that stands in several answers and is written down once: a table of the contract’s page, a named schema of `openapi.json`. */
interface SharedShape {
  readonly name: string;
  readonly schema: object;
  readonly what: string;
}

export const SHARED_SHAPES: readonly SharedShape[] = [
  {
    name: 'RecordMetadata',
    schema: RecordMetadata,
    what: 'EvidenceMetadata of one record: its place in a log, and what that log says of it.',
  },
  {
    name: 'AggregateMetadata',
    schema: AggregateMetadata,
    what: 'EvidenceMetadata of an answer about many records: what all of them share, else null; the newest times; of an empty page those of the newest record of the log.',
  },
  {
    name: 'Clear',
    schema: Clear,
    what: 'Whom the tokens (`tok_…`) of an answer stand for, token by token; null: that was erased, or its value was never kept. Outside of checksums and proofs; shown to whoever may see contents (`payloads: full`), never in streams or with `format=ocsf`.',
  },
  {
    name: 'Proof',
    schema: Proof,
    what: 'RFC 6962 2.1.1: SHA-256 of a zero byte and `leaf`, at `index`, gives with `path` the root that `checkpoint` signs for `size`.',
  },
  { name: 'Inflection', schema: Inflection, what: 'The turning point of a run.' },
  { name: 'CompromisedItem', schema: CompromisedItem, what: 'Stands in the place of a record that failed its check.' },
  {
    name: 'Finding',
    schema: Finding,
    what: 'What a check found wrong; [findings.md](../operate/findings.md) says what each means.',
  },
  { name: 'OpenFinding', schema: OpenFinding, what: 'A finding that was opened and not cleared since.' },
  {
    name: 'OcsfEvent',
    schema: OcsfEvent,
    what: 'A record as an event of the Open Cybersecurity Schema Framework, with the attributes of its class beside these.',
  },
  { name: 'Problem', schema: Problem, what: 'The answer to a request that is refused.' },
];
