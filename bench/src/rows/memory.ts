import { measureMemory } from '../process.js';
import type { Row } from '../row.js';
import { makePlace, startServer } from '../server.js';

/** After its start a server still compiles and collects; what it holds a moment later is what an idle one holds. */
const SETTLE_MS = 5_000;

/** An idle server with its PostgreSQL, PSS. What it holds under load stands in the row `ingest`. */
export async function memoryRow(): Promise<Row> {
  const place = makePlace();
  try {
    const server = await startServer(place);
    try {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const { serverMb, postgresMb } = measureMemory(server.pid);
      return {
        row: 'memory',
        values: { server_mb: serverMb, postgres_mb: postgresMb, together_mb: serverMb + postgresMb },
      };
    } finally {
      await server.stop();
    }
  } finally {
    place.remove();
  }
}
