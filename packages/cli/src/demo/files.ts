import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `<data dir>/demo.json`: where the demo is, and the keys to it. Names as tools read them. */
export interface DemoFile {
  readonly http: string;
  readonly otlp_http: string;
  readonly otlp_grpc: string;
  readonly tenant: string;
  readonly reader_key: string;
  readonly auditor_key: string;
  readonly ingest_key: string;
  /** Empty until the runs were sent, sealed and covered: then they are not sent again. */
  readonly run_ids: readonly string[];
}

/** The demo of this data directory, or null. A file that is no JSON is one that was never finished. */
export function readDemoFile(dataDir: string): DemoFile | null {
  let text: string;
  try {
    text = readFileSync(join(dataDir, 'demo.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return JSON.parse(text) as DemoFile;
}

/** Writes `demo.json` and `demo.env`, whole and for the owner alone. Returns the path of `demo.env`. */
export function writeDemoFiles(dataDir: string, demo: DemoFile): string {
  writeOwn(join(dataDir, 'demo.json'), `${JSON.stringify(demo, null, 2)}\n`);
  const env = join(dataDir, 'demo.env');
  // No SWORN_ names: those are settings, and a server started from this shell would refuse unknown ones.
  writeOwn(
    env,
    `${[
      `DEMO_HTTP=${demo.http}`,
      `DEMO_OTLP_HTTP=${demo.otlp_http}`,
      `DEMO_OTLP_GRPC=${demo.otlp_grpc}`,
      `DEMO_TENANT=${demo.tenant}`,
      `DEMO_READER_KEY=${demo.reader_key}`,
      `DEMO_AUDITOR_KEY=${demo.auditor_key}`,
      `DEMO_INGEST_KEY=${demo.ingest_key}`,
      '# for any application instrumented with OpenTelemetry',
      `OTEL_EXPORTER_OTLP_ENDPOINT=${demo.otlp_http}`,
      `OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20${demo.ingest_key}`,
    ].join('\n')}\n`,
  );
  return env;
}

function writeOwn(path: string, text: string): void {
  const next = `${path}.next`;
  writeFileSync(next, text, { mode: 0o600 });
  chmodSync(next, 0o600); // an old file of the same name keeps its own mode
  renameSync(next, path);
}
