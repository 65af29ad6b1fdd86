import { setTimeout as sleep } from 'node:timers/promises';
import { type AsOfAsked, exportAsOf } from '../src/export/asOf.js';
import { exportRun, recordDelivery, type RunExported } from '../src/export/exportRun.js';
import type { ExportAsked } from '../src/export/kinds.js';
import { archiveSize, zipArchive } from '../src/export/zipArchive.js';
import type { House } from './facadeHouse.js';

const REQUEST = { endpoint: 'cli:export', method: 'CLI', credential: null, source: 'local:test', purpose: null };

/** A bundle, built while the house signs. Whoever asks closes it. */
export async function madeBundle(house: House, asked: ExportAsked | AsOfAsked): Promise<RunExported> {
  let isMade = false;
  const making = (
    'asOf' in asked ? exportAsOf(house.exporting, asked, REQUEST) : exportRun(house.exporting, asked, REQUEST)
  ).finally(() => (isMade = true));
  making.catch(() => undefined);
  while (!isMade) {
    await house.sign(asked.tenantId);
    await sleep(50);
  }
  return making;
}

/** The same, handed out, and whole in memory. */
export async function exported(
  house: House,
  asked: ExportAsked | AsOfAsked,
): Promise<{ readonly bytes: Buffer; readonly made: RunExported }> {
  const made = await madeBundle(house, asked);
  await recordDelivery(house.exporting, made, REQUEST, { as: 'zip', bytes: archiveSize(made.files) });
  const chunks: Uint8Array[] = [];
  for await (const chunk of zipArchive(made.files)) chunks.push(chunk);
  await made.core.close();
  return { bytes: Buffer.concat(chunks), made };
}
