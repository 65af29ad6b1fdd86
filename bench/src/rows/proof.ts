import { randomInt } from 'node:crypto';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { openDeployment, readConfig } from '@sworn/server';
import { inTenant, proofOf, readCovering, readLeafAt } from '@sworn/server/measured';
import { type AskedProof, openVerifier } from '../checks/verify.js';
import { fill } from '../fill/fill.js';
import type { Filled } from '../fill/filled.js';
import { type Asker, getJson } from '../reads/get.js';
import { createMeter, percentiles } from '../reads/measure.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace, type Place, sworn, withServer } from '../server.js';

const LOG = 'llm-runs';
/** Each part runs so long after a moment of warming up. */
const SECONDS = 8;
const WARM_UP_S = 1;

/**
 * Inclusion proofs of leaves at random places, one after the other: built as the facade builds them, out of stored tiles and verified before they leave; a
 * whole answer of the facade with one; and verified by whoever got it, with the checkpoint's signature and without.
 */
export async function proofRow({ runs, dataDir }: RowOptions): Promise<Row> {
  const place = makePlace(join(dataDir, String(runs)));
  const filled = await fill(place, runs);
  const asked = await askFacade(place, filled);
  const built = await build(place, filled);
  const verified = await verify(place, filled, asked.proofs);
  return {
    row: 'proof',
    values: { runs, log_records: filled.leaves, ...built, ...asked.values, ...verified },
  };
}

interface Answer {
  readonly proof: AskedProof | null;
}

/** Whole answers of `GET /audit/integrity` for one log with an inclusion proof, and the proofs in them. */
async function askFacade(
  place: Place,
  { tenant, leaves }: Filled,
): Promise<{ readonly proofs: readonly AskedProof[]; readonly values: Record<string, number> }> {
  const said = await sworn(place, 'key', 'create', '--tenant', tenant, '--role', 'auditor', '--json');
  const { key } = JSON.parse(said) as { key: string };
  return withServer(place, async ({ http }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const asker: Asker = { agent, readerKey: key };
    const proofs: AskedProof[] = [];
    const ask = async (): Promise<boolean> => {
      const url = `${http}/api/v1/logs/audit/integrity?log=${LOG}&leaf_index=${randomInt(leaves)}`;
      const { proof } = await getJson<Answer>(asker, url);
      if (proof === null) throw new Error(`${url} was answered without a proof`);
      proofs.push(proof);
      return true;
    };
    await createMeter(ask).slice(1, WARM_UP_S);
    const meter = createMeter(ask);
    await meter.slice(1, SECONDS);
    agent.destroy();
    const { p50Ms, p99Ms } = meter.result();
    return { proofs, values: { facade_p50_ms: p50Ms, facade_p99_ms: p99Ms } };
  });
}

/** The same in this process: the proof alone, and with the transaction that looks up leaf and checkpoint. */
async function build(place: Place, { tenant, leaves }: Filled): Promise<Record<string, number>> {
  const deployment = await openDeployment(readConfig(place.env), { database: 'beside', mustExist: true });
  try {
    const proofMs: number[] = [];
    const one = async (): Promise<boolean> =>
      inTenant(
        deployment.db,
        'reader',
        tenant,
        async (tx) => {
          const index = randomInt(leaves);
          const leaf = await readLeafAt(tx, tenant, LOG, index);
          const checkpoint = await readCovering(tx, tenant, LOG, index);
          if (leaf === null || checkpoint === null) throw new Error(`leaf ${index} is under no checkpoint`);
          const begun = performance.now();
          const proven = await proofOf(tx, tenant, leaf, checkpoint);
          proofMs.push(performance.now() - begun);
          return proven.kind === 'proven';
        },
        { readOnly: true, snapshot: true },
      );
    await createMeter(one).slice(1, WARM_UP_S);
    proofMs.length = 0;
    const meter = createMeter(one);
    await meter.slice(1, SECONDS);
    const whole = meter.result();
    if (whole.failed > 0) throw new Error(`${whole.failed} proofs could not be built`);
    const alone = percentiles(proofMs);
    return {
      proofs_built: proofMs.length,
      build_p50_ms: alone.p50Ms,
      build_p99_ms: alone.p99Ms,
      build_with_lookup_p50_ms: whole.p50Ms,
      build_with_lookup_p99_ms: whole.p99Ms,
    };
  } finally {
    await deployment.close();
  }
}

async function verify(
  place: Place,
  { tenant }: Filled,
  proofs: readonly AskedProof[],
): Promise<Record<string, number>> {
  const verifier = await openVerifier(place, { tenant, log: LOG });
  const measure = (holds: (proof: AskedProof) => boolean): { p50Ms: number; p99Ms: number } => {
    const tookMs = proofs.map((proof) => {
      const begun = performance.now();
      if (!holds(proof)) throw new Error(`the proof of leaf ${proof.leaf_index} does not hold`);
      return performance.now() - begun;
    });
    return percentiles(tookMs);
  };
  const path = measure(verifier.path);
  const signed = measure(verifier.signed);
  return {
    path_hashes: Math.max(...proofs.map((proof) => proof.path.length)),
    verify_p50_ms: path.p50Ms,
    verify_p99_ms: path.p99Ms,
    verify_signed_p50_ms: signed.p50Ms,
    verify_signed_p99_ms: signed.p99Ms,
  };
}
