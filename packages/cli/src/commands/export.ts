import { constants } from 'node:fs';
import { access, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { CommandContext, ExportProgress, MadeBundle } from '../deployment.js';
import { CommandFailed, EXIT } from '../exitCode.js';
import { keepHeapSmall } from '../smallHeap.js';
import { chooseTenant } from '../tenantChoice.js';
import { type ExportOptions, exportAsked, LOG_SCOPES } from '../exportAsked.js';
import { withDeployment } from '../withDeployment.js';

/** Milliseconds between two lines of progress. */
const TELL_EVERY_MS = 2_000;

/** `sworn export`: evidence that leaves the building. */
export function exportCommand(context: CommandContext): Command {
  return new Command('export')
    .description(
      'write the evidence bundle of a run, of several, or of logs in a period, which anyone can verify without us; recorded in the access log',
    )
    .option('--run <run id>', 'one run, sealed and covered by a checkpoint')
    .option('--conversation <id>', 'every run of a conversation that is sealed; those that are not are named')
    .option('--incident <id>', 'every run that names an incident, or that was linked to it later')
    .option('--subject <who>', 'every run on behalf of a person: his id as it was sent, or his token (tok_…)')
    .addOption(
      new Option(
        '--scope <logs>',
        'all records of logs in a period: audit, system, or compliance, which is audit, access and control',
      ).choices(LOG_SCOPES),
    )
    .option('--from <time>', 'of --scope: recorded from then on, a day or RFC 3339 in UTC')
    .option('--to <time>', 'of --scope: recorded before then')
    .option(
      '--sample <n>',
      'of --scope: show n records that are drawn, the others as bare hashes; 0 fixes what is drawn from',
    )
    .option('--nonce <text>', 'of --sample: what whoever checks chose, after he got the bundle of --sample 0')
    .option('--as-of <export id>', 'what an earlier export was of, at the sizes that the logs had then')
    .option('--tenant <id or name>', 'whose run; without it the only tenant there is')
    .addOption(
      new Option(
        '--disclose <what>',
        'which contents it shows beside the records that commit to them (none; with --as-of as it was)',
      ).choices(['none', 'governance', 'all']),
    )
    .addOption(
      new Option(
        '--format <format>',
        'the bundle, or its spans alone as OTLP/JSON, which any backend takes (discloses all)',
      )
        .choices(['zip', 'otlp'])
        .default('zip'),
    )
    .option('--out <file>', 'where to, a file that is not there yet; without it <export id>.zip in this directory')
    .option(
      '--json',
      'print {"export_id","file","bytes","checksum","attested"}; of several runs "runs","left_out" too',
      false,
    )
    .addHelpText(
      'after',
      `
The same run gives the same bytes, until it is sealed anew, several until one of them is or another comes, the same period once every log has a later record; only attestation.dsse.json, which says when and for whom the bundle was made, is another. Run it
beside the server: its signer covers the record of the export, which the attestation needs.

Examples:
  sworn export --run shop:turn-17
  sworn export --run shop:turn-17 --disclose all --out evidence.zip
  sworn export --run shop:turn-17 --format otlp        its spans, as any backend takes them
  sworn export --conversation thread-4711              every run of it, in one bundle
  sworn export --incident INC-7 --disclose governance
  sworn export --subject mia@example.com               by the token that stands for her: the bundle has no name
  sworn export --scope compliance --from 2026-01-01 --to 2026-04-01
  sworn export --scope audit --from 2026-01-01 --to 2026-04-01 --sample 0
  sworn export --as-of exp_279b4d550447a7976f8b3075f5df83af --sample 25 --nonce 2026-04-02-e9c1f7a0
  sworn log key --tenant acme > key.txt && sworn verify evidence.zip --key key.txt`,
    )
    .action((options: Options) => {
      const asked = exportAsked(options);
      return withDeployment(context, async (deployment) => {
        keepHeapSmall();
        const { tenantId } = await chooseTenant(deployment, options.tenant);
        const { format } = options;
        // Before the work, which is long, and before an export is on record that nobody got.
        if (options.out !== undefined) await refuseUnfit(resolve(options.out));
        const made = await deployment.exportRun({ tenantId, ...asked }, teller(context)).catch((error: unknown) => {
          throw error instanceof RangeError ? new CommandFailed(EXIT.no, error.message) : error;
        });
        try {
          const file = resolve(options.out ?? `${made.exportId}.${format === 'zip' ? 'zip' : 'otlp.json'}`);
          await refuseUnfit(file);
          await writeNew(file, made.deliver(format));
          sayMade(context, made, { file, format, json: options.json });
        } finally {
          await made.close();
        }
      });
    });
}

interface Options extends ExportOptions {
  readonly tenant?: string;
  readonly out?: string;
  readonly json: boolean;
}

function sayMade(
  { terminal }: CommandContext,
  made: MadeBundle,
  { file, format, json }: Pick<Options, 'format' | 'json'> & { readonly file: string },
): void {
  const { several } = made;
  if (json) {
    terminal.json({
      export_id: made.exportId,
      file,
      bytes: made.bytes[format],
      checksum: `sha256:${made.manifest}`,
      attested: made.isAttested,
      ...(several === null ? {} : { runs: several.runs, left_out: several.leftOut }),
    });
    return;
  }
  terminal.line(
    `${file}: ${format === 'zip' ? `${made.bytes.zip} bytes, ` : 'the spans of '}export ${made.exportId}, checksum sha256:${made.manifest}`,
  );
  if (several !== null) terminal.line(`${several.runs} ${several.runs === 1 ? 'run' : 'runs'}`);
  for (const { run_id: runId, reason } of several?.leftOut ?? []) terminal.line(`left out: ${runId}, ${reason}`);
  if (!made.isAttested && format === 'zip')
    terminal.note(
      'not attested: no checkpoint covered the record of this export in time; run it beside the server, whose signer signs',
    );
}

/** A bundle may be the only copy of what was handed out: none is written over. @throws CommandFailed */
async function refuseUnfit(file: string): Promise<void> {
  await access(dirname(file), constants.W_OK | constants.X_OK).catch((error: NodeJS.ErrnoException) => {
    throw unwritable(file, error);
  });
  const isThere = await lstat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw unwritable(file, error);
    },
  );
  if (isThere)
    throw new CommandFailed(EXIT.no, `${file} is already there and is not written over; choose another --out`);
}

/** Writes a file whole or not at all, readable by this user alone. */
async function writeNew(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const draft = `${file}.part`;
  const handle = await open(draft, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw unwritable(draft, error);
  });
  try {
    for await (const chunk of chunks) await handle.writeFile(chunk);
    await handle.sync();
    await handle.close();
    await rename(draft, file);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
}

function unwritable(file: string, { code, message }: NodeJS.ErrnoException): CommandFailed {
  const why =
    code === 'EEXIST' ? 'another export writes it, or one was interrupted: delete it, or' : `${code ?? message};`;
  return new CommandFailed(EXIT.unable, `cannot write ${file}: ${why} choose another --out`);
}

function teller({ terminal }: CommandContext): (progress: ExportProgress) => void {
  let [all, done, told] = [0, 0, performance.now()];
  return (progress) => {
    if (progress.step === 'found') {
      all = progress.leaves;
      return;
    }
    if (progress.step === 'records') done += progress.leaves;
    const now = performance.now();
    if (now - told < TELL_EVERY_MS) return;
    told = now;
    terminal.note(lineOf(progress, { all, done }));
  };
}

function lineOf(progress: ExportProgress, { all, done }: { readonly all: number; readonly done: number }): string {
  switch (progress.step) {
    case 'looked':
      return `looked for its runs in ${progress.leaves} of ${progress.of} records`;
    case 'run':
      return `run ${progress.run} of ${progress.of}`;
    case 'records':
      return `${done} of ${all} records`;
    default:
      return `making its ${progress.step}, of ${all} records`;
  }
}
