import { fromUtf8, hex, leafHash, membersOf, type RecordFile, type RunRecords } from '@sworn/evidence';
import { sourceToJson, spanToJson } from '../otlp/jsonOut.js';
import type { WrittenRecords } from './records.js';

/** Where the record of a resource or scope stands, by its leaf hash (hex). */
type Sources = ReadonlyMap<string, { readonly records: WrittenRecords; readonly index: number }>;

/**
 * `data/spans.otlp.json`: the runs, one after the other, as OTLP/JSON again, as any backend takes it: an ExportTraceServiceRequest. Of disclosed bodies alone; spans that came from
 * one resource and scope stand together, in the order in which they were recorded.
 */
export async function* spansText(
  runs: Iterable<RunRecords> | AsyncIterable<RunRecords>,
  written: readonly WrittenRecords[],
): AsyncGenerator<string> {
  const sources = await sourcesOf(written);
  yield '{"resourceSpans":[';
  let isFirst = true;
  for await (const run of runs) {
    const llm = written.find(({ file }) => file.log === run.file.log);
    if (llm === undefined) continue;
    for (const group of await groupsOf(run)) {
      yield isFirst ? '\n' : ',\n';
      isFirst = false;
      yield* groupText(llm, sources, group);
    }
  }
  yield '\n]}\n';
}

/** The spans of a run that came from one resource and scope: an element of `resourceSpans`. */
async function* groupText(
  llm: WrittenRecords,
  sources: Sources,
  { resource, scope, indexes }: Group,
): AsyncGenerator<string> {
  const [of, within] = [await sourceJson(sources, 'resource', resource), await sourceJson(sources, 'scope', scope)];
  yield `${open(of)}"scopeSpans":[${open(within)}"spans":[`;
  for (const [i, index] of indexes.entries()) {
    const body = await llm.bodyOf(index);
    yield `${i === 0 ? '' : ','}\n${JSON.stringify(body === null ? {} : spanToJson(body))}`;
  }
  yield '\n]}]}';
}

/** An object that goes on. */
function open(value: object): string {
  const text = JSON.stringify(value);
  return text === '{}' ? '{' : `${text.slice(0, -1)},`;
}

async function sourceJson(sources: Sources, part: 'resource' | 'scope', hash: string | null): Promise<object> {
  const place = hash === null ? undefined : sources.get(hash);
  const body = place === undefined ? null : await place.records.bodyOf(place.index);
  return body === null ? {} : sourceToJson(part, body);
}

async function sourcesOf(written: readonly WrittenRecords[]): Promise<Sources> {
  const sources = new Map<string, { readonly records: WrittenRecords; readonly index: number }>();
  for (const records of written) {
    if (!records.file.log.startsWith('system')) continue;
    let line = 0;
    for await (const leaf of records.file.leaves())
      sources.set(hex(leafHash(leaf)), { records, index: records.file.indexes[line++] as number });
  }
  return sources;
}

interface Group {
  readonly resource: string | null;
  readonly scope: string | null;
  /** Of its steps, ascending. */
  readonly indexes: number[];
}

async function groupsOf({ file, steps }: RunRecords): Promise<readonly Group[]> {
  const groups = new Map<string, Group>();
  for (const { line, index } of steps) {
    const { resource, scope } = await sourcesOfStep(file, line);
    const key = `${resource} ${scope}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { resource, scope, indexes: [index] });
    else group.indexes.push(index);
  }
  return [...groups.values()];
}

async function sourcesOfStep(file: RecordFile, line: number): Promise<Pick<Group, 'resource' | 'scope'>> {
  const m = membersOf(JSON.parse(fromUtf8(await file.leafAt(line))));
  return { resource: m.text('resource'), scope: m.text('scope') };
}
