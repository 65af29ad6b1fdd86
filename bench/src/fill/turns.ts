import { makeTemplate, type Template } from '../template.js';
import { chanceOf } from './chance.js';
import { RESOURCES, resourceOf } from './resource.js';
import { type Ending, makeTurn } from './turn.js';

/** Turns in one request: what an exporter sends in one batch. */
export const TURNS_A_REQUEST = 80;
/** Runs of one conversation, spread over the whole fill. */
const RUNS_A_CONVERSATION = 6;
/** When the templates' turns began; copies are moved to now. */
const BASE_NS = 1_700_000_000_000_000_000n;
/** Between the beginnings of two turns of one request. */
const TURN_EVERY_NS = 25_000_037n;

/** Requests of generated turns, one after the other. */
export interface Turns {
  /** A request of `TURNS_A_REQUEST` turns that began some seconds ago, and how many spans it has. */
  next(nowMs: number): { readonly body: Buffer; readonly spans: number };
}

/** Twelve requests of unlike turns, sent in turn with new ids, times and conversations. `runs`: how many turns there will be in all. */
export function makeTurns(runs: number): Turns {
  const templates = Array.from({ length: RESOURCES }, (_, k) => turnTemplate(k, endingOf));
  const conversations = Math.max(1, Math.floor(runs / RUNS_A_CONVERSATION));
  let sent = 0;
  return {
    next(nowMs) {
      const { template, spans } = templates[(sent / TURNS_A_REQUEST) % templates.length] ?? turnTemplate(0, endingOf);
      const texts = Array.from({ length: TURNS_A_REQUEST }, (_, i) => conversationName((sent + i) % conversations));
      sent += TURNS_A_REQUEST;
      return { body: template.fresh({ shiftNs: BigInt(nowMs - 20_000) * 1_000_000n - BASE_NS, texts }), spans };
    },
  };
}

/** A request of turns that have no root yet. */
export function openTurns(nowMs: number): Buffer {
  const { template } = turnTemplate(0, () => 'open');
  return template.fresh({ shiftNs: BigInt(nowMs - 20_000) * 1_000_000n - BASE_NS, texts: [] });
}

/** Id of the n-th conversation. */
export function conversationName(n: number): string {
  return `conv-${String(n).padStart(8, '0')}`;
}

function turnTemplate(
  k: number,
  ending: (n: number) => Ending,
): { readonly template: Template; readonly spans: number } {
  const chance = chanceOf(k + 1);
  const texts = Array.from({ length: TURNS_A_REQUEST }, (_, i) => conversationName(90_000_000 + i));
  const turns = texts.map((text, i) =>
    makeTurn(chance, text, BASE_NS + BigInt(i) * TURN_EVERY_NS, ending(chance.next())),
  );
  const spans = turns.flatMap((turn) => turn.spans);
  const request = {
    resourceSpans: [{ ...resourceOf(k), scopeSpans: [{ scope: { name: 'bench', version: '1' }, spans }] }],
  };
  const marks = {
    ids: turns.flatMap((turn) => turn.ids),
    times: [...new Set(turns.flatMap((turn) => turn.times))],
    texts,
  };
  return { template: makeTemplate(request, marks), spans: spans.length };
}

/** Three of a hundred fail, one runs out of time, five have a tool that failed. */
function endingOf(chance: number): Ending {
  if (chance < 0.03) return 'failed';
  if (chance < 0.04) return 'timed out';
  return chance < 0.09 ? 'tool failed' : 'done';
}
