import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { startTestCluster } from '../cluster.js';
import { runCampaign } from './campaign.js';
import { attacksLike } from './families.js';
import { openPlainTables } from './plainTables.js';
import { countsOf, jsonOf, lineOf, markdownOf } from './scoreboard.js';
import { buildStage, USUAL_SIZE } from './stage.js';

/** `npm run tamper`: strikes every attack at a deployment of its own and prints the scoreboard. Exit 1: something was not told as it must be. */
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    runs: { type: 'string', default: String(USUAL_SIZE.runs) },
    markdown: { type: 'string' },
    json: { type: 'string' },
  },
});
const runs = Number(options.runs);
const attacks = attacksLike(...options.only);
if (attacks.length === 0 || !Number.isSafeInteger(runs) || runs < USUAL_SIZE.runs) {
  console.error(`--only takes a part of an attack's name, --runs a number from ${USUAL_SIZE.runs}`);
  process.exitCode = 2;
} else {
  process.exitCode = await campaign();
}

async function campaign(): Promise<number> {
  console.log(`Node ${process.versions.node}, ${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}`);
  const cluster = await startTestCluster(process.env['SWORN_TEST_DATABASE_URL']);
  try {
    const stage = await buildStage(cluster, { ...USUAL_SIZE, runs }, (line) => console.log(line));
    try {
      const tables = await openPlainTables(stage);
      const outcomes = await runCampaign(stage, tables, attacks, (outcome) => console.log(lineOf(outcome)));
      await tables.close();
      const counts = countsOf(outcomes);
      console.log(`\n${markdownOf(outcomes)}\n${JSON.stringify(counts)}`);
      if (options.markdown !== undefined) writeTable(options.markdown, markdownOf(outcomes));
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(jsonOf(outcomes), null, 2)}\n`);
      return counts['wrong'] === 0 ? 0 : 1;
    } finally {
      await stage.close();
    }
  } finally {
    await cluster.stop();
  }
}

/** Puts the table between the two marks of a page that has them; else the table is the file. */
function writeTable(file: string, table: string): void {
  const page = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [, before, after] =
    /^([^]*<!-- scoreboard: written by [^\n]*-->\n)[^]*(<!-- scoreboard: end -->[^]*)$/.exec(page) ?? [];
  writeFileSync(file, before === undefined || after === undefined ? table : `${before}\n${table}\n${after}`);
}
