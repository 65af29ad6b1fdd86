import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { base64, concat, hex, unbase64, unhex, utf8 } from '../src/bytes.js';
import { checkpointBody, parseCheckpoint } from '../src/checkpoint.js';
import { formatNote, type NoteSigner, parseNote, signatureBy, type VerifyEd25519, verifyNote } from '../src/note.js';
import { EMPTY_ROOT, leafHash } from '../src/tree.js';
import { noteKeyId, parseVkey, vkeyOf } from '../src/vkey.js';
import { refusalOf } from './refusal.js';

const SPKI = unhex('302a300506032b6570032100');
const PKCS8 = unhex('302e020100300506032b657004220420');
const ORIGIN = 'sworn-0123456789abcdef/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/llm-runs';

function signerFrom(name: string, seed: number): NoteSigner & { readonly key: KeyObject } {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, seed)]), format: 'der', type: 'pkcs8' });
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length));
  return { name, publicKey, sign: (message) => new Uint8Array(sign(null, message, key)), key };
}

const nodeVerify: VerifyEd25519 = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
    signature,
  );

const log = signerFrom(ORIGIN, 1);
const head = { origin: ORIGIN, size: 7, root: leafHash(utf8('x')) };
const signed = formatNote(checkpointBody(head), [log]);

describe('a signed note', () => {
  it('of Go’s own documentation is read, and its signature holds', () => {
    const peter = parseVkey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
    const text =
      'If you think cryptography is the answer to your problem,\nthen you don’t know what your problem is.\n'.replace(
        '’',
        "'",
      );
    const line =
      '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
    const note = parseNote(`${text}\n${line}`);
    expect(note.text).toBe(text);
    expect(verifyNote(note, peter, nodeVerify)).toBe(true);
    expect(vkeyOf(peter.name, peter.publicKey)).toBe(
      'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
    );
    expect(hex(noteKeyId(peter.name, peter.publicKey))).toBe('c74f20a3');
  });

  it('of the C2SP specification is read, with empty lines in its text', () => {
    const example =
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';
    const note = parseNote(example);
    expect(note.text.split('\n')).toHaveLength(5);
    expect(note.signatures.map(({ name }) => name)).toEqual(['quasimodo.example/salvatore']);
  });

  it('is what openssl verifies', () => {
    const note = parseNote(signed);
    const dir = mkdtempSync(join(tmpdir(), 'sworn-note-'));
    try {
      const put = (name: string, bytes: string | Uint8Array): string => {
        writeFileSync(join(dir, name), bytes);
        return join(dir, name);
      };
      const pem = put('key.pem', createPublicKey(log.key).export({ format: 'pem', type: 'spki' }));
      const signature = put('signature', signatureBy(note, parseVkey(vkeyOf(ORIGIN, log.publicKey))) as Uint8Array);
      const openssl = (message: string) =>
        spawnSync(
          'openssl',
          ['pkeyutl', '-verify', '-pubin', '-inkey', pem, '-rawin', '-in', message, '-sigfile', signature],
          { encoding: 'utf8' },
        );
      expect(openssl(put('text', note.text)).stdout).toContain('Signature Verified Successfully');
      expect(openssl(put('other', note.text.replace('\n7\n', '\n8\n'))).status).not.toBe(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('holds under the key that signed it and no other', () => {
    const witness = signerFrom('witness.example/w', 2);
    const note = parseNote(formatNote('text\n', [log, witness]));
    for (const { name, publicKey } of [log, witness])
      expect(verifyNote(note, parseVkey(vkeyOf(name, publicKey)), nodeVerify)).toBe(true);
    const stranger = signerFrom(ORIGIN, 3);
    expect(signatureBy(note, parseVkey(vkeyOf(ORIGIN, stranger.publicKey)))).toBeNull();
    expect(verifyNote(note, parseVkey(vkeyOf('other.example', log.publicKey)), nodeVerify)).toBe(false);
    // A key whose id collides is found by its hint, and fails at the signature.
    const colliding = { name: ORIGIN, keyId: noteKeyId(ORIGIN, log.publicKey), publicKey: stranger.publicKey };
    expect(verifyNote(note, colliding, nodeVerify)).toBe(false);
  });

  it('no longer holds when one bit of text or signature is changed', () => {
    const key = parseVkey(vkeyOf(ORIGIN, log.publicKey));
    const note = parseNote(signed);
    fc.assert(
      fc.property(fc.nat({ max: 63 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const signatures = note.signatures.map((s) => ({
          ...s,
          signature: s.signature.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte)),
        }));
        expect(verifyNote({ ...note, signatures }, key, nodeVerify)).toBe(false);
      }),
    );
    expect(verifyNote({ ...note, text: note.text.replace('7', '8') }, key, nodeVerify)).toBe(false);
  });

  it('keeps the signatures of keys and types it does not know', () => {
    const cosignature = base64(concat(Uint8Array.of(9, 9, 9, 9), new Uint8Array(72)));
    const note = parseNote(`${signed}— wítness.example/ω ${cosignature}\n`);
    expect(note.signatures.map(({ signature }) => signature.length)).toEqual([64, 72]);
    expect(verifyNote(note, parseVkey(vkeyOf(ORIGIN, log.publicKey)), nodeVerify)).toBe(true);
  });

  it('is refused when it is malformed', () => {
    const [line] = signed.split('\n').slice(-2);
    const good = `text\n\n${line}\n`;
    expect(refusalOf(() => parseNote(good))).toBe('accepted');
    const bad = [
      '',
      '\n',
      '\n\n',
      'text',
      'text\n',
      'text\n\n',
      `\n${line}\n`,
      `text\n${line}\n`,
      `text\n\n${line}`,
      `text\n\n${line}\n\n`,
      `text\n\n${line}\nmore\n`,
      `text\n\n${line} \n`,
    ];
    bad.push(
      `text\n\n ${line}\n`,
      `text\n\n${line?.replace('—', '-')}\n`,
      `text\n\n${line?.replace(' ', '  ')}\n`,
      `text\n\n${line?.replace(ORIGIN, 'a+b')}\n`,
      `text\n\n${line?.replace(ORIGIN, 'a\u00a0b')}\n`,
    );
    bad.push(
      `text\n\n${line?.replace(ORIGIN, '')}\n`,
      `text\n\n${line?.slice(0, -1)}\n`,
      `text\n\n— a AAAA\n`,
      `text\n\n— a AAAAAA==\n`,
      `text\n\n— a AAAAAB==\n`,
      `text\n\n— a AAAAAAA_\n`,
    );
    bad.push(
      `te\rxt\n\n${line}\n`,
      `te\txt\n\n${line}\n`,
      `te\u0000xt\n\n${line}\n`,
      `text\r\n\r\n${line}\r\n`,
      `te\ud800xt\n\n${line}\n`,
      `text\n\n${line}\n${line}\n`,
    );
    bad.push(
      `text\n\n${Array.from({ length: 101 }, (_, i) => `— w${i} AAAAAAA=\n`).join('')}`,
      `${'x'.repeat(1_000_000)}\n\n${line}\n`,
    );
    for (const note of bad)
      expect(
        refusalOf(() => parseNote(note)),
        JSON.stringify(note).slice(0, 60),
      ).toBe('note');
    expect(
      refusalOf(() => parseNote(`text\n\n${Array.from({ length: 100 }, (_, i) => `— w${i} AAAAAAA=\n`).join('')}`)),
    ).toBe('accepted');
  });

  it('is not written for a text that is none, by nobody, or under a name that is none', () => {
    for (const text of ['', 'no newline', 'a\tb\n', '\u0000\n'])
      expect(refusalOf(() => formatNote(text, [log]))).toBe('note');
    expect(refusalOf(() => formatNote('text\n', []))).toBe('note');
    for (const name of ['', 'a b', 'a+b', 'a\nb', 'ä', 'x'.repeat(256)])
      expect(refusalOf(() => formatNote('text\n', [{ ...log, name }]))).toBe('key_name');
  });
});

describe('a verifier key line', () => {
  it('is read back, and only in that one spelling', () => {
    const line = vkeyOf(ORIGIN, log.publicKey);
    expect(parseVkey(line)).toEqual({
      name: ORIGIN,
      keyId: noteKeyId(ORIGIN, log.publicKey),
      publicKey: log.publicKey,
    });
    const [name, id, key] = line.split('+') as [string, string, string];
    const rest = line.slice(name.length + id.length + 2);
    const bad = [
      '',
      '+',
      '++',
      name,
      `${name}+${id}`,
      `${name}+${id}+`,
      `${line}\n`,
      ` ${line}`,
      `${name}+${id.toUpperCase()}+${rest}`,
      `x${line}`,
      `${name}+00000000+${rest}`,
      `+${id}+${rest}`,
    ];
    bad.push(
      `a b+${id}+${rest}`,
      line.slice(0, -1),
      `${line}=`,
      line.replace(key, key.replaceAll(/[A-Z]/g, '_')),
      `${name}+${id}+${base64(concat(Uint8Array.of(2), log.publicKey))}`,
    );
    bad.push(
      `${name}+${id}+${base64(log.publicKey)}`,
      `${name}+${id}+${base64(concat(Uint8Array.of(1), log.publicKey, Uint8Array.of(0)))}`,
    );
    const typeTwo = concat(Uint8Array.of(2), log.publicKey);
    bad.push(`${name}+${hex(noteKeyId(name, log.publicKey))}+${base64(typeTwo)}`);
    for (const vkey of bad)
      expect(
        refusalOf(() => parseVkey(vkey)),
        vkey,
      ).toBe('vkey');
    expect(unbase64(rest)).toHaveLength(33);
    expect(refusalOf(() => vkeyOf('a b', log.publicKey))).toBe('key_name');
    expect(() => vkeyOf('a', new Uint8Array(31))).toThrow(RangeError);
  });
});

describe('a checkpoint', () => {
  it('is three lines and a signature, and comes back', () => {
    expect(checkpointBody(head)).toBe(`${ORIGIN}\n7\n${base64(head.root)}\n`);
    expect(parseCheckpoint(signed)).toEqual({ ...head, note: parseNote(signed) });
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (n, bytes) => {
        const root = n === 0 ? EMPTY_ROOT : bytes;
        expect(parseCheckpoint(formatNote(checkpointBody({ origin: ORIGIN, size: n, root }), [log]))).toMatchObject({
          origin: ORIGIN,
          size: n,
          root,
        });
      }),
    );
  });

  it('of the C2SP specification is read', () => {
    const example =
      'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n';
    expect(parseCheckpoint(example)).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
  });

  it('is what sigstore accepts, and refuses under another key', () => {
    const authority = (key: KeyObject, publicKey: Uint8Array) => ({
      logID: Buffer.concat([noteKeyId(ORIGIN, publicKey), Buffer.alloc(28)]),
      publicKey: createPublicKey(key),
      baseURL: ORIGIN,
    });
    const item = { inclusionProof: { checkpoint: { envelope: signed } } } as never;
    const read = verifyCheckpoint(item, [authority(log.key, log.publicKey)] as never);
    expect({ origin: read.origin, size: read.logSize, root: new Uint8Array(read.logHash), rest: read.rest }).toEqual({
      ...head,
      size: 7n,
      rest: [],
    });
    expect(() => verifyCheckpoint(item, [authority(signerFrom(ORIGIN, 3).key, log.publicKey)] as never)).toThrow(
      'invalid checkpoint signature',
    );
  });

  it('is refused when its text is not exactly three such lines', () => {
    const root = base64(head.root);
    const bad = [
      `${ORIGIN}\n7\n`,
      `${ORIGIN}\n7\n${root}\nextension\n`,
      `\n7\n${root}\n`,
      `${ORIGIN}\n07\n${root}\n`,
      `${ORIGIN}\n-7\n${root}\n`,
      `${ORIGIN}\n+7\n${root}\n`,
      `${ORIGIN}\n7.0\n${root}\n`,
    ];
    bad.push(
      `${ORIGIN}\n0x7\n${root}\n`,
      `${ORIGIN}\n7 \n${root}\n`,
      `${ORIGIN}\n\n${root}\n`,
      `${ORIGIN}\n9007199254740992\n${root}\n`,
      `${ORIGIN}\n99999999999999999999\n${root}\n`,
    );
    bad.push(
      `a b\n7\n${root}\n`,
      `a+b\n7\n${root}\n`,
      `${ORIGIN}\n7\n${base64(head.root.subarray(1))}\n`,
      `${ORIGIN}\n7\n${root.slice(0, -1)}\n`,
      `${ORIGIN}\n7\n ${root}\n`,
      `${ORIGIN}\n7\n${root.slice(0, -2)}B=\n`,
    );
    bad.push(`${ORIGIN}\n0\n${root}\n`, `${ORIGIN}\n7\n\n${root}\n`);
    for (const text of bad)
      expect(
        refusalOf(() => parseCheckpoint(formatNote(text, [log]))),
        JSON.stringify(text),
      ).toBe('checkpoint');
    expect(refusalOf(() => parseCheckpoint(checkpointBody(head)))).toBe('note');
  });

  it('of a head that cannot be is a bug of the caller', () => {
    for (const change of [
      { origin: '' },
      { origin: 'a b' },
      { size: -1 },
      { size: 1.5 },
      { size: 2 ** 53 },
      { root: new Uint8Array(31) },
    ]) {
      expect(() => checkpointBody({ ...head, ...change })).toThrow(RangeError);
    }
  });
});
