import { measureBareCopy } from '../bareCopy.js';
import { measureFsync } from '../fsync.js';
import { measureCpu, measureMemory } from '../process.js';
import type { Row } from '../row.js';
import { runSender, type SenderOrder } from '../sender.js';
import { makePlace, startServer, sworn } from '../server.js';

/** Seconds of each part, and the most spans a part may send. */
const WARM_UP_S = 4;
const FULL_S = 15;
const CALM_S = 10;
const MAX_SPANS = 600_000;
/** Rows the bare COPY writes at most: some seconds' worth. */
const MAX_BARE_ROWS = 200_000;
/** The acknowledgement is timed at this part of the full rate. */
const CALM_PART = 0.1;

/** OTLP/HTTP protobuf through the real server into the embedded database, and the same rows by bare COPY in the same cluster. */
export async function ingestRow(): Promise<Row> {
  const place = makePlace();
  try {
    const fsync = measureFsync(place.dir);
    const server = await startServer(place);
    try {
      const { tenant } = JSON.parse(await sworn(place, 'tenant', 'create', 'bench', '--json')) as { tenant: string };
      const key = JSON.parse(await sworn(place, 'key', 'create', '--tenant', tenant, '--role', 'ingest', '--json')) as {
        key: string;
      };
      const idle = measureMemory(server.pid);
      const order: SenderOrder = {
        otlpHttp: server.otlpHttp,
        ingestKey: key.key,
        connections: 8,
        tracesPerRequest: 50,
        seconds: WARM_UP_S,
        maxSpans: MAX_SPANS,
        spansPerSecond: null,
      };
      await runSender(order);
      const before = measureCpu(server.pid);
      const full = await runSender({ ...order, seconds: FULL_S });
      const after = measureCpu(server.pid);
      const loaded = measureMemory(server.pid);
      const spansPerSecond = full.acknowledged / full.seconds;
      const calm = await runSender({
        ...order,
        seconds: CALM_S,
        tracesPerRequest: 10,
        spansPerSecond: spansPerSecond * CALM_PART,
      });
      const bare = await measureBareCopy(await sworn(place, 'db', 'url', '--superuser'), MAX_BARE_ROWS);
      return {
        row: 'ingest',
        values: {
          spans_per_s: spansPerSecond,
          bare_rows_per_s: bare.rowsPerSecond,
          ratio: spansPerSecond / bare.rowsPerSecond,
          server_cpu_us_per_span: ((after.serverS - before.serverS) * 1e6) / full.acknowledged,
          postgres_cpu_us_per_span: ((after.postgresS - before.postgresS) * 1e6) / full.acknowledged,
          calm_spans_per_s: calm.acknowledged / calm.seconds,
          calm_ack_p50_ms: calm.p50Ms,
          calm_ack_p99_ms: calm.p99Ms,
          full_ack_p50_ms: full.p50Ms,
          full_ack_p99_ms: full.p99Ms,
          throttled: full.throttled,
          sent_bytes_per_span: full.bytesPerSpan,
          fsync_p50_ms: fsync.p50Ms,
          fsync_p99_ms: fsync.p99Ms,
          idle_server_mb: idle.serverMb,
          idle_postgres_mb: idle.postgresMb,
          loaded_server_mb: loaded.serverMb,
          loaded_postgres_mb: loaded.postgresMb,
        },
      };
    } finally {
      await server.stop();
    }
  } finally {
    place.remove();
  }
}
