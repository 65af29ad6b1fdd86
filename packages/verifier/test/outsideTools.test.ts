import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archived, honestBag } from './bag.js';
import { zipped } from './zip.js';

const FILES = [
  { name: 'bagit.txt', bytes: 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n' },
  { name: 'data/empty', bytes: '' },
  { name: 'data/records/llm-runs.ndjson', bytes: Uint8Array.from({ length: 100_000 }, (_, i) => (i * 31) & 0xff) },
];
/** What Python's own reader says of each file. */
const PYTHON = `
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps([[i.filename, i.file_size, i.date_time, i.external_attr, i.is_dir()] for i in archive.infolist()]))
`;
let dir: string;
let path: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-archive-'));
  path = join(dir, 'bundle.zip');
  writeFileSync(path, await zipped(FILES));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('programs that nobody here wrote', () => {
  it.skipIf(isMissing('python3', '--version'))('Python reads an archive of the profile', () => {
    const read = JSON.parse(execFileSync('python3', ['-c', PYTHON, path], { encoding: 'utf8' })) as unknown;
    const attributes = 0o100644 * 0x1_0000;
    expect(read).toEqual(
      FILES.map(({ name, bytes }) => [name, bytes.length, [1980, 1, 1, 0, 0, 0], attributes, false]),
    );
  });

  it.skipIf(isMissing('unzip', '-v') || isMissing('sha256sum', '--version'))(
    'sha256sum finds a bag as its manifests say, and a changed byte of it',
    () => {
      const bag = join(dir, 'bag');
      writeFileSync(`${bag}.zip`, archived(honestBag()));
      execFileSync('unzip', ['-q', `${bag}.zip`, '-d', bag]);
      const check = (): Buffer =>
        execFileSync('sha256sum', ['-c', '--quiet', '--strict', 'manifest-sha256.txt', 'tagmanifest-sha256.txt'], {
          cwd: bag,
          stdio: 'pipe',
        });
      expect(check().toString()).toBe('');
      writeFileSync(join(bag, 'data/statement.json'), '{"b":3}\n');
      expect(check).toThrow('1 computed checksum did NOT match');
    },
  );

  it.skipIf(isMissing('unzip', '-v'))('unzip unpacks it', () => {
    execFileSync('unzip', ['-q', path, '-d', dir]);
    for (const { name, bytes } of FILES)
      expect(readFileSync(join(dir, name)).equals(Buffer.from(bytes as string)), name).toBe(true);
  });
});

function isMissing(tool: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(tool, args, { stdio: 'ignore' });
    return false;
  } catch {
    process.stderr.write(`skipped: there is no ${tool}\n`);
    return true;
  }
}
