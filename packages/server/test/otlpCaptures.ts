import { readdirSync, readFileSync } from 'node:fs';

const CAPTURES = new URL('../../../testkit/captures/', import.meta.url);

/** A recorded export request of a real client. */
export interface Capture {
  readonly client: string;
  readonly encoding: 'protobuf' | 'json';
  readonly body: Uint8Array;
}

/** Every recorded traces request. */
export const TRACE_CAPTURES: readonly Capture[] = capturesOf('traces');

/** Every recorded logs request. */
export const LOG_CAPTURES: readonly Capture[] = capturesOf('logs');

/** Every recorded metrics request. */
export const METRIC_CAPTURES: readonly Capture[] = capturesOf('metrics');

function capturesOf(signal: string): Capture[] {
  return readdirSync(CAPTURES, { recursive: true, encoding: 'utf8' })
    .filter((path) => /-[a-z]+\.(pb|json)$/.test(path) && path.includes(`-${signal}.`))
    .sort()
    .map((path) => ({
      client: path.split('/')[0] ?? path,
      encoding: path.endsWith('.pb') ? 'protobuf' : 'json',
      body: new Uint8Array(readFileSync(new URL(path, CAPTURES))),
    }));
}

/** What is known to be true of each client's run. */
export interface GroundTruth {
  readonly traces: number;
  readonly spans: number;
  readonly input: number;
  readonly output: number;
  readonly llm_calls: number;
  readonly tool_calls?: number;
  readonly failed_traces?: number;
  readonly handoffs?: number;
  readonly guardrails?: number;
  readonly retrievals?: number;
  readonly interrupts?: number;
  readonly tripwires?: number;
  readonly tool_denied?: number;
}

export const GROUND_TRUTH = JSON.parse(readFileSync(new URL('expected.json', CAPTURES), 'utf8')) as Readonly<
  Record<string, GroundTruth>
>;
