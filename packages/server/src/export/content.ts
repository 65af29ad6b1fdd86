import { fromUtf8, type Members, membersOf, topicOfLog } from '@sworn/evidence';
import { jsonText } from '../otlp/attributes.js';
import { readLogRecord } from '../otlp/logRecord.js';
import type { Mapping } from '../otlp/map/tables.js';
import { readBody } from '../read/stepBody.js';
import type { WrittenRecords } from './records.js';
import type { ContentOf, RowContent } from './report/report.js';

/** What disclosed bodies say, for people: of steps name, input, output and error; of log records what was logged. */
export function contentOf(mapping: Mapping, written: readonly WrittenRecords[]): ContentOf {
  const lines = new Map(
    written.map(({ file }) => [file.log, new Map(file.indexes.map((index, line) => [index, line]))]),
  );
  return async (log, index) => {
    const records = written.find(({ file }) => file.log === log);
    const line = lines.get(log)?.get(index);
    const body = records === undefined || line === undefined ? null : await records.bodyOf(index);
    if (records === undefined || line === undefined || body === null) return null;
    const m = membersOf(JSON.parse(fromUtf8(await records.file.leafAt(line))));
    return topicOfLog(log) === 'llm-runs' ? stepContent(mapping, body, m) : logContent(body);
  };
}

function stepContent(mapping: Mapping, body: Uint8Array, m: Members): RowContent {
  const { name, input, output, error } = readBody(mapping, body, m);
  return {
    name,
    parts: [
      ...(input === null ? [] : [{ label: 'input', text: input.text }]),
      ...(output === null ? [] : [{ label: 'output', text: output.text }]),
      ...(error === null ? [] : [{ label: 'error', text: error }]),
    ],
  };
}

function logContent(body: Uint8Array): RowContent {
  const said = readLogRecord(body).body;
  if (said === null) return { name: null, parts: [] };
  return { name: null, parts: [{ label: 'said', text: typeof said === 'string' ? said : jsonText(said) }] };
}
