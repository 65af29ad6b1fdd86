import type { Row } from '../row.js';
import { makePlace, startServer } from '../server.js';

/** Starts timed after the first, which initialises the directory. */
const ROUNDS = 5;

/** From spawning `sworn serve` until it says that it is running: a new directory once, then an initialised one. */
export async function coldStartRow(): Promise<Row> {
  const place = makePlace();
  try {
    const first = await startedInMs(place);
    const took: number[] = [];
    for (let round = 0; round < ROUNDS; round++) took.push(await startedInMs(place));
    took.sort((a, b) => a - b);
    return {
      row: 'cold-start',
      values: { new_directory_ms: first, median_ms: took[2] ?? 0, slowest_ms: took[ROUNDS - 1] ?? 0 },
    };
  } finally {
    place.remove();
  }
}

async function startedInMs(place: Parameters<typeof startServer>[0]): Promise<number> {
  const server = await startServer(place);
  await server.stop();
  return server.startedInMs;
}
