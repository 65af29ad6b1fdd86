import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Malformed, type Vkey } from '@sworn/evidence';
import { fileSource } from './archive/fileSource.node.js';
import { SourceFailed } from './archive/source.js';
import { parseKeys } from './bundle/keys.js';
import { rulesOf } from './bundle/kinds.js';
import { verifyEd25519 } from './ed25519.node.js';
import { printable, printableJson } from './printable.js';
import { verificationPage } from './page.js';
import { sentenceOf, type Verification, verifyBundle } from './verify.js';

/** What verifying leaves with: 0 everything agrees, under a pinned key; 1 a finding; 2 could not look; 3 no key was pinned. */
export type VerifyExit = 0 | 1 | 2 | 3;

/** Where it writes, a line at a time. */
export interface VerifyOutput {
  line(text: string): void;
  note(text: string): void;
}

export const VERIFY_HELP = `Usage: verify <bundle.zip> [--key <file>] [--against <older.zip>] [--report <out.html>] [--json]

Checks an evidence bundle of Sworn, with nothing but the file and the key: no network, no database.

  --key <file>       verifier keys that you got by another way than the bundle, a line each (sworn log key)
  --against <file>   a bundle that you have from before: records that both have must be the same
  --report <file>    write what was found as a page for people; nothing that is there is written over
  --json             print what was found as one JSON document

Exit codes: 0 everything agrees, under the key you pinned; 1 findings; 2 could not look; 3 UNPINNED: nothing
contradicts anything, but whoever made the file also chose the key.

Examples:
  node verify.mjs bundle.zip --key key.txt
  node verify.mjs bundle.zip --key key.txt --against bundle-of-march.zip`;

/** `sworn verify` and `verify.mjs`. Never throws for what it was given. */
export async function verifyCommand(args: readonly string[], output: VerifyOutput): Promise<VerifyExit> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        key: { type: 'string' },
        against: { type: 'string' },
        report: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      for (const line of VERIFY_HELP.split('\n')) output.line(line);
      return 0;
    }
    const [bundle, ...others] = positionals;
    if (bundle === undefined || others.length > 0) {
      output.note('which bundle? verify <bundle.zip> --key <file>; verify --help shows more');
      return 2;
    }
    const keys = values.key === undefined ? [] : await readKeys(values.key);
    const found = await verifyPath(bundle, keys, values.against ?? null);
    if (values.report !== undefined) await writePage(values.report, verificationPage(basename(bundle), found));
    if (values.json) output.line(printableJson(found));
    else say(found, output);
    return { VERIFIED: 0, CONTRADICTED: 1, UNPINNED: 3 }[found.verdict] as VerifyExit;
  } catch (error) {
    if (!isAnswer(error)) throw error;
    output.note(`could not look: ${printable(error.message)}`);
    return 2;
  }
}

/** A line is a few hundred bytes, and a tenant has a log for each topic and a key for each rotation: somebody named another file. */
const MAX_KEY_FILE_BYTES = 1 << 20;

async function readKeys(path: string): Promise<readonly Vkey[]> {
  const text = await keyText(path);
  const keys = keysIn(path, text);
  if (keys.length === 0) throw new SourceFailed(`${path} holds no verifier key: one is a line <name>+<8 hex>+<base64>`);
  return keys;
}

/** A pipe too, as a shell makes of `--key <(…)`; never more than a key file has. */
async function keyText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { end: MAX_KEY_FILE_BYTES })) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    throw new SourceFailed(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
      cause: error,
    });
  }
  if (bytes > MAX_KEY_FILE_BYTES)
    throw new SourceFailed(`${path} is no key file: it has more than ${MAX_KEY_FILE_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}

function keysIn(path: string, text: string): readonly Vkey[] {
  try {
    return parseKeys(text);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new SourceFailed(`${path}: ${error.message}`, { cause: error });
  }
}

async function writePage(path: string, page: string): Promise<void> {
  await writeFile(path, page, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'it is there already' : (error.code ?? error.message);
    throw new SourceFailed(`cannot write ${path}: ${why}; choose another --report`, { cause: error });
  });
}

async function verifyPath(path: string, keys: readonly Vkey[], against: string | null): Promise<Verification> {
  const source = await fileSource(path);
  const older = against === null ? null : await fileSource(against);
  try {
    return await verifyBundle(source, { keys, verify: verifyEd25519 }, older);
  } finally {
    await source.close();
    await older?.close();
  }
}

function say(found: Verification, output: VerifyOutput) {
  const { findings, unlisted, statement, logs, notEvidence, attested } = found;
  for (const { code, entry, expected, found } of findings)
    output.line(
      `${code}${entry === null ? '' : ` ${printable(entry)}`}: expected ${printable(expected)}; found ${printable(found)}`,
    );
  if (unlisted > 0) output.line(`and ${unlisted} more findings`);
  if (statement !== null) {
    output.line(`${printable(rulesOf(statement).about(statement))}, contents disclosed: ${statement.disclosure}`);
    for (const { origin, size, shown, withheld, signedBy } of logs)
      output.line(
        `${printable(origin)}: ${shown} records${withheld === 0 ? '' : ` and ${withheld} bare hashes`} under size ${size}, signed by ${signedBy ?? 'no key that was given'}`,
      );
    for (const line of rulesOf(statement).unproven(statement)) output.line(printable(line));
    if (attested !== null) output.line(`made and handed out as ${printable(attested)}`);
  }
  if (notEvidence.length > 0) output.line(`NOT EVIDENCE: ${notEvidence.join(', ')}`);
  output.line(sentenceOf(found));
}

/** Errors that are about what was given, not about this program. */
function isAnswer(error: unknown): error is Error {
  return (
    error instanceof SourceFailed ||
    error instanceof Malformed ||
    (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  );
}
