import { setTimeout as sleep } from 'node:timers/promises';
import { type Place, startServer, sworn } from '../server.js';
import { type BacklogWatch, watchBacklog } from './backlog.js';
import { type Filled, readFilled, writeFilled } from './filled.js';
import { longTrace } from './longTrace.js';
import { openPoster, type Poster } from './post.js';
import { makeTurns, TURNS_A_REQUEST } from './turns.js';

/** Traces of so many steps. */
export interface LongTraces {
  readonly steps: number;
  readonly count: number;
}

/** Traces beside the turns, by steps: sent when half of the turns are, so that they are neither the oldest nor the newest. */
const LONG_TRACES: readonly LongTraces[] = [
  { steps: 50, count: 100 },
  { steps: 2_000, count: 10 },
  { steps: 20_000, count: 1 },
];
const CONNECTIONS = 4;
/** Leaves that the sealer may be behind, and runs that may be open: the sender waits for it, so that runs lie beside their steps as in a deployment that keeps up. */
const MAX_BEHIND = 60_000;
const MAX_OPEN = 60_000;
const LOOK_EVERY_MS = 500;
const TELL_EVERY_MS = 10_000;
/** A turn is sealed after this much quiet: the fill is not to wait for it at its end. */
const SEAL_GRACE_MS = '2000';

/**
 * Fills a deployment with `runs` turns of two or three steps, and the long traces, or takes the one that is there. Through the real server over OTLP/HTTP,
 * with its own sealer and signer: there is no other way in.
 */
export async function fill(place: Place, runs: number, long = LONG_TRACES): Promise<Filled> {
  const there = readFilled(place);
  if (there?.runs === runs) return there;
  if (there !== null) throw new Error(`${place.dir} was filled with ${there.runs} runs`);
  const server = await startServer({ ...place, env: { ...place.env, SWORN_SEAL_GRACE_MS: SEAL_GRACE_MS } });
  try {
    const { tenant } = JSON.parse(await sworn(place, 'tenant', 'create', 'bench', '--json')) as { tenant: string };
    const keyOf = async (role: 'ingest' | 'reader'): Promise<string> => {
      const said = await sworn(place, 'key', 'create', '--tenant', tenant, '--role', role, '--json');
      return (JSON.parse(said) as { key: string }).key;
    };
    const ingestKey = await keyOf('ingest');
    const readerKey = await keyOf('reader');
    const watch = await watchBacklog(await sworn(place, 'db', 'url', '--superuser'), tenant);
    const poster = openPoster(server.otlpHttp, ingestKey, { connections: CONNECTIONS });
    try {
      const begun = performance.now();
      const sent = await sendAll({ runs, long, poster, watch });
      const leaves = await untilSealed(watch);
      const seconds = (performance.now() - begun) / 1000;
      const filled = { runs, ...sent, leaves, seconds, tenant, ingestKey, readerKey };
      writeFilled(place, filled);
      return filled;
    } finally {
      poster.close();
      await watch.close();
    }
  } finally {
    await server.stop();
  }
}

interface Sending {
  readonly runs: number;
  readonly long: readonly LongTraces[];
  readonly poster: Poster;
  readonly watch: BacklogWatch;
}

async function sendAll({ runs, long, poster, watch }: Sending): Promise<Pick<Filled, 'spans' | 'longTraces'>> {
  const turns = makeTurns(runs);
  const pace = keepPace(watch, runs);
  let spans = 0;
  let sent = 0;
  const send = async (below: number): Promise<void> => {
    while (sent < below) {
      await pace.turn(sent);
      if (sent >= below) return;
      const { body, spans: more } = turns.next(Date.now());
      sent += TURNS_A_REQUEST;
      spans += more;
      await poster.post(body);
    }
  };
  const sendUntil = (below: number) => Promise.all(Array.from({ length: CONNECTIONS }, () => send(below)));
  await sendUntil(runs / 2);
  const longTraces: { steps: number; traceIds: string[] }[] = [];
  for (const { steps, count } of long) {
    const traceIds: string[] = [];
    for (let i = 0; i < count; i++) {
      const { traceId, requests } = longTrace(steps, BigInt(Date.now() - 120_000) * 1_000_000n);
      for (const body of requests) await poster.post(body);
      traceIds.push(traceId);
      spans += steps;
    }
    longTraces.push({ steps, traceIds });
  }
  await sendUntil(runs);
  return { spans, longTraces };
}

/** Lets the sender wait for the sealer, and says how far it is. */
function keepPace(watch: BacklogWatch, runs: number): { turn(sent: number): Promise<void> } {
  const begun = performance.now();
  let looked = begun;
  let told = begun;
  let waiting: Promise<void> | null = null;
  const look = async (sent: number): Promise<void> => {
    for (;;) {
      const { leaves, followed, open } = await watch.now();
      looked = performance.now();
      if (looked - told > TELL_EVERY_MS) {
        told = looked;
        const seconds = (looked - begun) / 1000;
        const left = sent === 0 ? 0 : (seconds / sent) * (runs - sent);
        console.error(
          `${sent} of ${runs} runs sent, ${(sent / seconds).toFixed(0)} a second, about ${(left / 60).toFixed(1)} min left; sealer ${leaves - followed} leaves behind, ${open} runs open`,
        );
      }
      if (leaves - followed < MAX_BEHIND && open < MAX_OPEN) return;
      await sleep(LOOK_EVERY_MS);
    }
  };
  return {
    async turn(sent) {
      if (waiting === null && performance.now() - looked > LOOK_EVERY_MS) {
        waiting = look(sent).finally(() => (waiting = null));
      }
      await waiting;
    },
  };
}

/** Resolves to the size of the log when the sealer has followed all of it and no run is open. */
async function untilSealed(watch: BacklogWatch): Promise<number> {
  let told = performance.now();
  for (;;) {
    const { leaves, followed, open } = await watch.now();
    if (followed === leaves && open === 0) return leaves;
    if (performance.now() - told > TELL_EVERY_MS) {
      told = performance.now();
      console.error(`all sent; sealer ${leaves - followed} leaves behind, ${open} runs open`);
    }
    await sleep(LOOK_EVERY_MS);
  }
}
