import { readFileSync } from 'node:fs';
import { hex, sha256, utf8 } from '@sworn/evidence';
import { describe, expect, it } from 'vitest';
import { BAG_CODES, type BagCode, bytesSource, checkBag, openArchive } from '../src/index.js';
import { archived, DECLARATION, type Files, found, honestBag, manifestOf } from './bag.js';
import { headersOf, patched } from './zip.js';

const MANIFEST = 'manifest-sha256.txt';
const TAGS = 'tagmanifest-sha256.txt';
const RECORDS = 'data/records/llm-runs.ndjson';

/** The bag with files changed, or, if undefined, taken away; its manifests are as they were. */
function changed(changes: Readonly<Record<string, string | undefined>>): Files {
  const all = Object.entries({ ...honestBag(), ...changes });
  return Object.fromEntries(all.filter((file): file is [string, string] => file[1] !== undefined));
}

/** The bag with another payload manifest, which the tag manifest lists as it is. */
function withManifest(change: (text: string) => string): Files {
  return relisted(changed({ [MANIFEST]: change(honestBag()[MANIFEST]!) }));
}

/** The bag with its tag manifest made anew. */
function relisted(files: Files): Files {
  const isTag = (name: string): boolean =>
    !name.startsWith('data/') && name !== TAGS && name !== 'attestation.dsse.json';
  const tags = Object.fromEntries(Object.entries(files).filter(([name]) => isTag(name)));
  return { ...files, [TAGS]: manifestOf(tags) };
}

const line = (text: string, index: number): string => text.split('\n')[index]!;

/** For every rule at least one bag that breaks it: the files, and everything that is found. */
const ATTACKS: Record<BagCode, Readonly<Record<string, readonly [Files, ...string[]]>>> = {
  BAG_DECLARATION: {
    'another version': [
      relisted(changed({ 'bagit.txt': DECLARATION.replace('1.0', '0.97') })),
      'BAG_DECLARATION bagit.txt',
    ],
    'lines that end otherwise': [
      relisted(changed({ 'bagit.txt': DECLARATION.replaceAll('\n', '\r\n') })),
      'BAG_DECLARATION bagit.txt',
    ],
  },
  BAG_MISSING: {
    'a payload file': [changed({ [RECORDS]: undefined }), `BAG_MISSING ${RECORDS}`, 'BAG_OXUM bag-info.txt'],
    'a tag file': [changed({ 'VERIFY.md': undefined }), 'BAG_MISSING VERIFY.md'],
    'the declaration, listed nowhere': [relisted(changed({ 'bagit.txt': undefined })), 'BAG_MISSING bagit.txt'],
    'the manifest, listed nowhere': [relisted(changed({ [MANIFEST]: undefined })), `BAG_MISSING ${MANIFEST}`],
    'the tag manifest': [changed({ [TAGS]: undefined }), `BAG_MISSING ${TAGS}`],
  },
  BAG_UNLISTED: {
    'one more payload file': [
      relisted(changed({ 'data/more': '', 'bag-info.txt': 'Payload-Oxum: 16.3\n' })),
      'BAG_UNLISTED data/more',
    ],
    'one more tag file': [changed({ 'proofs/more': '' }), 'BAG_UNLISTED proofs/more'],
    'an attestation elsewhere': [
      changed({ 'proofs/attestation.dsse.json': '' }),
      'BAG_UNLISTED proofs/attestation.dsse.json',
    ],
  },
  BAG_WRONG_MANIFEST: {
    'a tag file in the manifest': [
      withManifest((text) => manifestOf({ 'VERIFY.md': honestBag()['VERIFY.md']! }) + text),
      'BAG_WRONG_MANIFEST VERIFY.md',
    ],
    'a payload file in the tag manifest': [
      changed({ [TAGS]: sortedLines(honestBag()[TAGS]! + line(honestBag()[MANIFEST]!, 0)) }),
      `BAG_WRONG_MANIFEST ${RECORDS}`,
    ],
    'the attestation in the tag manifest': [
      changed({
        [TAGS]: sortedLines(
          honestBag()[TAGS]! + manifestOf({ 'attestation.dsse.json': '{"signed":"both manifests"}' }),
        ),
      }),
      'BAG_WRONG_MANIFEST attestation.dsse.json',
    ],
  },
  BAG_OTHER_MANIFEST: {
    'one by MD5': [relisted(changed({ 'manifest-md5.txt': '' })), 'BAG_OTHER_MANIFEST manifest-md5.txt'],
    'one of tags by SHA-512': [
      relisted(changed({ 'tagmanifest-sha512.txt': '' })),
      'BAG_OTHER_MANIFEST tagmanifest-sha512.txt',
    ],
  },
  BAG_MANIFEST_LINE: {
    'upper-case hex': [
      withManifest((text) => text.toUpperCase().replaceAll(/ {2}.*/g, (name) => name.toLowerCase())),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      `BAG_UNLISTED ${RECORDS}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'one space': [
      withManifest((text) => text.replace('  data/s', ' data/s')),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'a binary mark': [
      withManifest((text) => text.replace('  data/s', ' *data/s')),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'a short digest': [
      withManifest((text) => text.replace(/.(?= {2}data\/s)/, '')),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'a carriage return': [
      withManifest((text) => text.replace('data/statement.json\n', 'data/statement.json\r\n')),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'an empty line': [withManifest((text) => `\n${text}`), `BAG_MANIFEST_LINE ${MANIFEST}`],
    'no newline at the end': [
      withManifest((text) => text.slice(0, -1)),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      'BAG_UNLISTED data/statement.json',
    ],
    'a mark of byte order': [
      withManifest((text) => `\ufeff${text}`),
      `BAG_MANIFEST_LINE ${MANIFEST}`,
      `BAG_UNLISTED ${RECORDS}`,
    ],
  },
  BAG_MANIFEST_ORDER: {
    'names that go down': [
      withManifest((text) => `${line(text, 1)}\n${line(text, 0)}\n`),
      `BAG_MANIFEST_ORDER ${MANIFEST}`,
    ],
    'a name twice': [withManifest((text) => `${line(text, 0)}\n${text}`), `BAG_MANIFEST_ORDER ${MANIFEST}`],
    'a name twice, of which the later digest is right': [
      withManifest((text) => `${'0'.repeat(64)}  ${RECORDS}\n${text}`),
      `BAG_MANIFEST_ORDER ${MANIFEST}`,
    ],
  },
  BAG_TOO_LARGE: {
    'a manifest of a megabyte and more': [withManifest((text) => text.repeat(7000)), `BAG_TOO_LARGE ${MANIFEST}`],
    'a long declaration': [relisted(changed({ 'bagit.txt': DECLARATION.repeat(30) })), 'BAG_TOO_LARGE bagit.txt'],
  },
  BAG_DIGEST: {
    'a changed payload file': [changed({ [RECORDS]: '{"a":2}\n' }), `BAG_DIGEST ${RECORDS}`],
    'a changed tag file': [changed({ 'VERIFY.md': '# Trust me here\n' }), 'BAG_DIGEST VERIFY.md'],
    'two files that have changed places': [
      changed({ [RECORDS]: '{"b":2}\n', 'data/statement.json': '{"a":1}\n' }),
      `BAG_DIGEST ${RECORDS}`,
      'BAG_DIGEST data/statement.json',
    ],
    'a payload file with its manifest': [
      changed({
        [RECORDS]: '{"a":2}\n',
        [MANIFEST]: manifestOf({ [RECORDS]: '{"a":2}\n', 'data/statement.json': '{"b":2}\n' }),
      }),
      `BAG_DIGEST ${MANIFEST}`,
    ],
  },
  BAG_OXUM: {
    'more bytes than there are': [
      relisted(changed({ 'bag-info.txt': 'Payload-Oxum: 17.2\n' })),
      'BAG_OXUM bag-info.txt',
    ],
    'another spelling of the label': [
      relisted(changed({ 'bag-info.txt': 'payload-oxum : 17.2\n' })),
      'BAG_OXUM bag-info.txt',
    ],
  },
};

function sortedLines(text: string): string {
  const lines = text.split('\n').filter((one) => one !== '');
  return lines
    .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .map((one) => `${one}\n`)
    .join('');
}

describe('an honest bag', () => {
  it('has no finding, and gives the digest of every file', async () => {
    const files = honestBag();
    const { entries } = await openArchive(bytesSource(archived(files)));
    const { findings, unlisted, digests } = await checkBag(entries);
    expect([findings, unlisted]).toEqual([[], 0]);
    expect(new Map(Object.entries(files).map(([name, text]) => [name, hex(sha256(utf8(text)))]))).toEqual(
      new Map(digests),
    );
  });

  it('needs no Payload-Oxum, and no bag-info.txt', async () => {
    expect(await found(relisted(changed({ 'bag-info.txt': undefined })))).toEqual([]);
    expect(await found(relisted(changed({ 'bag-info.txt': 'Source-Organization: x\n' })))).toEqual([]);
  });
});

describe('a hostile bag is told by its code:', () => {
  for (const code of BAG_CODES)
    for (const [what, [files, ...expected]] of Object.entries(ATTACKS[code]))
      it(`${code}: ${what}`, async () => {
        expect((await found(files)).sort()).toEqual(expected.sort());
      });
});

describe('a changed byte', () => {
  it('of any listed file is told by the file that it is in, when the archive’s own checksums are made anew', async () => {
    const files = honestBag();
    for (const [name, text] of Object.entries(files)) {
      if (name === TAGS || name === 'attestation.dsse.json') continue;
      for (let at = 0; at < text.length; at++) {
        const code = (text.charCodeAt(at) ^ 1) & 0x7f;
        const other = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        expect(await found(changed({ [name]: other })), `${name} at ${at}`).toContain(`BAG_DIGEST ${name}`);
      }
    }
  });

  it('of the tag manifest is told too', async () => {
    const text = honestBag()[TAGS]!;
    for (let at = 0; at < text.length; at++) {
      const other = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
      expect(await found(changed({ [TAGS]: other })), `at ${at}`).not.toEqual([]);
    }
  });

  it('is a finding of the archive as well when its checksum is as it was', async () => {
    const archive = archived(honestBag());
    const at = headersOf(archive).locals[0]! + 30 + 'VERIFY.md'.length;
    expect(await found(patched(archive, [at, 1, 0x2a]))).toEqual(['ARCHIVE_CRC VERIFY.md', 'BAG_DIGEST VERIFY.md']);
  });
});

describe('docs/spec/bag.md', () => {
  it('says of every code which rule it is', () => {
    const page = readFileSync(new URL('../../../docs/spec/bag.md', import.meta.url), 'utf8');
    expect(new Set(page.match(/BAG_[A-Z_]+/g))).toEqual(new Set(BAG_CODES));
  });
});
