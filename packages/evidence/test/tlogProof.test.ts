import { describe, expect, it } from 'vitest';
import { leafHash } from '../src/tree.js';
import { formatTlogProof, parseTlogProof } from '../src/tlogProof.js';
import { refusalOf } from './refusal.js';
import { entry } from './reference.js';

const proof = {
  index: 5,
  path: [leafHash(entry(1)), leafHash(entry(2))],
  checkpoint: 'example.com/log\n6\nroot\n\n— sig\n',
};
const text = formatTlogProof(proof);

describe('a tlog-proof', () => {
  it('is written as C2SP says: header, index, hashes, an empty line, the checkpoint', () => {
    expect(text.split('\n').slice(0, 2)).toEqual(['c2sp.org/tlog-proof@v1', 'index 5']);
    expect(text.endsWith(`\n\n${proof.checkpoint}`)).toBe(true);
  });

  it('is read back as it was written, also without hashes', () => {
    expect(parseTlogProof(text)).toEqual(proof);
    expect(parseTlogProof(formatTlogProof({ ...proof, path: [] }))).toEqual({ ...proof, path: [] });
  });

  it.each([
    ['another version', text.replace('@v1', '@v2')],
    ['extra data', text.replace('index', 'extra AAAA\nindex')],
    ['an index with a leading zero', text.replace('index 5', 'index 05')],
    ['a hash cut short', text.replace('=\n', '\n')],
    ['no checkpoint', 'c2sp.org/tlog-proof@v1\nindex 5\n\n'],
    ['nothing', ''],
  ])('is refused with %s', (_, wrong) => {
    expect(refusalOf(() => parseTlogProof(wrong))).toBe('tlog_proof');
  });
});
