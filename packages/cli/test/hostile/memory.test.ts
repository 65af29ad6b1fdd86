import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildStage, newId, spanRequest, type Stage } from './stage.js';

/** Megabytes of heap that the server may have: a small machine's. More than it needs, and less than the attacks below took once. */
const HEAP_MIB = 224;

let stage: Stage;

beforeAll(async () => {
  stage = await buildStage(() => ({ NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }));
});
afterAll(() => stage.close());

const packed = (request: object) =>
  stage.send('traces', gzipSync(JSON.stringify(request), { level: 1 }), { headers: { 'content-encoding': 'gzip' } });

describe('a request that is small on the wire and large in memory', () => {
  test('holds thirty million escapes, and is read in the room of its bytes', async () => {
    const { status, text } = await packed(spanRequest(newId(16), { note: '\n"'.repeat(15 * 1024 * 1024) }));
    expect(status, text).toBe(200);
    await stage.unharmed();
  });

  test('holds as many spans as a request may, and is stored share by share', async () => {
    const traceId = newId(16);
    const spans = Array.from({ length: 100_000 }, () => ({ traceId, spanId: newId(8), name: 's' }));
    // How long it takes is the machine's affair; whoever sent it may have gone by then.
    await packed({ resourceSpans: [{ scopeSpans: [{ spans }] }] }).catch(() => null);
    const stored = async () =>
      (
        await stage.sql('select count(*)::int as n from sworn.leaf where tenant_id = $1 and log = $2 and kind = $3', [
          stage.attacker.id,
          'llm-runs',
          'STEP',
        ])
      )[0]?.['n'];
    await expect.poll(stored, { timeout: 240_000, interval: 1_000 }).toBe(100_001);
    const [largest] = await stage.sql('select max(count)::int as n from sworn.batch_authenticator');
    expect(largest?.['n']).toBeLessThanOrEqual(4_096);
    await stage.unharmed();
  }, 300_000);
});
