import { Malformed } from '../malformed.js';

/** The only bundle format there is (docs/spec/bundle.md). It is part of an export's identity: another one, other bytes. */
export const BUNDLE_FORMAT = 'sworn.bundle/1';

/** What is disclosed of the bodies that leaves commit to: nothing, those of governance, all. */
export const DISCLOSURES = ['none', 'governance', 'all'] as const;

/** One of them. */
export type Disclosure = (typeof DISCLOSURES)[number];

/** What a bundle is about. */
export interface BundleScope {
  readonly kind: 'RUN';
  readonly tenant_id: string;
  readonly run_id: string;
}

/** One log of a bundle: at which checkpoint its leaves are proven, and how many of what there are. */
export interface PinnedRecords {
  /** Stored name, which its files have too. */
  readonly log: string;
  readonly origin: string;
  /** Of the first checkpoint that covers the scope's last record there. */
  readonly size: number;
  /** Leaves that are in the bundle whole. */
  readonly shown: number;
  /** Leaves of the scope that are there as bare hashes. */
  readonly withheld: number;
  /** Bodies that leaves commit to: shown with their salt, kept back, gone by erasure. Sum: all of them. */
  readonly disclosed: number;
  readonly undisclosed: number;
  readonly erased: number;
}

/** `data/statement.json`: what the bundle says that it is. */
export interface Statement {
  readonly format: typeof BUNDLE_FORMAT;
  readonly scope: BundleScope;
  readonly disclosure: Disclosure;
  /** In the order of their names. */
  readonly logs: readonly PinnedRecords[];
  /** The RUN leaf that says of how many steps and events the run is, and their trees. */
  readonly complete_by: { readonly log: string; readonly leaf_index: number; readonly checksum: string };
}

/** The statement as its file has it. */
export function statementText(statement: Statement): string {
  return `${JSON.stringify(statement, null, 2)}\n`;
}

/**
 * Reads a statement; one that is not written as `statementText` writes it is refused. Nothing of it is believed.
 * @throws Malformed `statement`
 */
export function parseStatement(text: string): Statement {
  const said = jsonOf(text);
  const scope = objectOf(said.scope);
  const by = objectOf(said.complete_by);
  if (said.format !== BUNDLE_FORMAT) throw wrong(`its format is not ${BUNDLE_FORMAT}`);
  if (scope.kind !== 'RUN') throw wrong('its scope is of no kind that this version knows');
  const disclosure = DISCLOSURES.find((one) => one === said.disclosure);
  if (disclosure === undefined) throw wrong('disclosure is none of none, governance, all');
  if (!Array.isArray(said.logs)) throw wrong('it names no logs');
  const statement: Statement = {
    format: BUNDLE_FORMAT,
    scope: { kind: 'RUN', tenant_id: textOf(scope, 'tenant_id'), run_id: textOf(scope, 'run_id') },
    disclosure,
    logs: said.logs.map(pinnedOf),
    complete_by: {
      log: textOf(by, 'log'),
      leaf_index: countOf(by, 'leaf_index'),
      checksum: textOf(by, 'checksum'),
    },
  };
  if (statementText(statement) !== text) throw wrong('it is not written as this format writes it');
  return statement;
}

function pinnedOf(value: unknown): PinnedRecords {
  const log = objectOf(value);
  return {
    log: textOf(log, 'log'),
    origin: textOf(log, 'origin'),
    size: countOf(log, 'size'),
    shown: countOf(log, 'shown'),
    withheld: countOf(log, 'withheld'),
    disclosed: countOf(log, 'disclosed'),
    undisclosed: countOf(log, 'undisclosed'),
    erased: countOf(log, 'erased'),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function jsonOf(text: string): Fields {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    throw wrong('it is no JSON object');
  }
}

function objectOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('a member is no object');
  return value as Fields;
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw wrong(`${name} is no text`);
  return value;
}

function countOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(`${name} is no count`);
  return value;
}

function wrong(detail: string): Malformed {
  return new Malformed('statement', detail);
}
