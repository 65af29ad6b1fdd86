import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommandFailed, EXIT } from '../exitCode.js';

/** One recorded OTLP request: the body after decompression, and how its client sent it. */
export interface RecordedRequest {
  readonly client: string;
  readonly encoding: 'protobuf' | 'json';
  readonly gzip: boolean;
  readonly body: Uint8Array;
}

/** Clients the demo shows: an SDK of its own, an instrumentation, two frameworks with other vocabularies, an agent stopped by a guardrail. */
const CLIENTS = [
  'ai-sdk-v7-modern-protobuf',
  'openai-auto-protobuf-gzip',
  'langchain-openinference-json',
  'openai-agents-openinference-json',
  'mastra-json',
] as const;

/** The only copy of the captures lies with the test kit. */
const FOLDER = fileURLToPath(new URL('../../../../testkit/captures/', import.meta.url));

/** Recorded trace requests, client by client in the order sent. @throws CommandFailed where this is no clone with its captures. */
export function recordedTraces(): RecordedRequest[] {
  return CLIENTS.flatMap((client) => {
    const traces = namesIn(`${FOLDER}${client}`).filter((name) => /-traces\.(pb|json)$/.test(name));
    return traces.sort().map((name) => {
      const meta = JSON.parse(
        readFileSync(`${FOLDER}${client}/${name.replace(/\.(pb|json)$/, '')}.meta.json`, 'utf8'),
      ) as {
        encoding?: string;
      };
      return {
        client,
        encoding: name.endsWith('.pb') ? 'protobuf' : 'json',
        gzip: meta.encoding === 'gzip',
        body: readFileSync(`${FOLDER}${client}/${name}`),
      };
    });
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new CommandFailed(EXIT.unable, `the demo needs the recorded runs in ${FOLDER}, which come with a clone`, {
      cause,
    });
  }
}
