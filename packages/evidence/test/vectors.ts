import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { base64, fromUtf8, hex, unhex, utf8 } from '../src/bytes.js';
import { checkpointBody } from '../src/checkpoint.js';
import { commit, sizeClass } from '../src/commitment.js';
import type { JsonValue } from '../src/json.js';
import { canonicalize } from '../src/jsonWriter.js';
import { encodeLeaf } from '../src/leaf.js';
import { formatNote } from '../src/note.js';
import { consistencyProof, inclusionProof, type ReadNode, rangeProof } from '../src/proof.js';
import { recordId } from '../src/recordId.js';
import { encodeEntries, fullTilesBetween, tilePath } from '../src/tile.js';
import { token } from '../src/token.js';
import { TOPICS } from '../src/topic.js';
import { emptyFrontier, encodeFrontier, extendFrontier, leafHash, treeHash } from '../src/tree.js';
import { noteKeyId, vkeyOf } from '../src/vkey.js';
import { entry } from './reference.js';
import { RUN, STEP } from './sample.js';

/** What `vectors/<name>.json` holds. Bytes are hex where they are hashes and keys, base64 where they are anything else. */
export const vectors: Readonly<Record<string, () => JsonValue>> = {
  canonical: canonicalVectors,
  leaf: leafVectors,
  tree: treeVectors,
  tile: tileVectors,
  checkpoint: checkpointVectors,
  'record-id': recordIdVectors,
};

function canonicalVectors(): JsonValue {
  const values: JsonValue[] = [
    null,
    true,
    0,
    -1,
    9007199254740991,
    '',
    'a"\\/\b\f\n\r\t\u000f\u007f€𝄞',
    [],
    {},
    [1, [2, [3]]],
  ];
  values.push(
    { b: 1, a: 2, '10': 3, '9': 4, 'a.b': 5, 'a-b': 6, a_b: 7, aa: 8 },
    { '€': 1, '\ufb33': 2, '😀': 3, ö: 4, '\r': 5 },
  );
  const refused: Record<string, string> = {
    'duplicate member': '{"a":1,"a":1}',
    'duplicate member, escaped': '{"a":1,"\\u0061":2}',
    fraction: '[1.0]',
    exponent: '[1e2]',
    'minus zero': '[-0]',
    'above 2^53-1': '[9007199254740992]',
    'lone surrogate': '["\\ud800"]',
    noncharacter: '["\\uffff"]',
    'byte order mark': '\ufeff{}',
    'trailing comma': '[1,]',
    'control character': '["\t"]',
    'two values': '{} {}',
    'deeper than 64': `${'['.repeat(65)}${']'.repeat(65)}`,
  };
  return {
    accepted: values.map((value) => ({ value, canonical: base64(canonicalize(value)) })),
    refused: Object.entries(refused).map(([why, text]) => ({ why, bytes: base64(utf8(text)) })),
  };
}

function leafVectors(): JsonValue {
  const step = fromUtf8(encodeLeaf(STEP));
  const refused: Record<string, string> = {
    'a space after a colon': step.replace('"by":', '"by": '),
    'a newline at the end': `${step}\n`,
    'members out of order': `{"t":"sworn.leaf/1",${step.slice(1).replace(',"t":"sworn.leaf/1"', '')}`,
    'an escape that is not needed': step.replace('"STEP"', '"\\u0053TEP"'),
    'a member twice': step.replace('"map":1', '"map":1,"map":1'),
    'an unknown type': step.replace('sworn.leaf/1', 'sworn.leaf/2'),
    'no type': step.replace(',"t":"sworn.leaf/1"', ''),
    'a fraction': step.replace('"duration_us":500000', '"duration_us":500000.0'),
    'a time with three digits': step.replace('03.000004Z', '03.000Z'),
    'a day that is not': step.replace('2025-11-25T01:02:03', '2025-11-31T01:02:03'),
    'an upper-case member': step.replace('"service"', '"Service"'),
    'an ingest key on a leaf of Sworn’s own': step.replace('"by":"producer"', '"by":"sworn"'),
    'a producer without an ingest key': step.replace(`"key":"${STEP.key}",`, ''),
    'a commitment without a data key': step.replace(`"dk":"${STEP.dk}",`, ''),
    'a length instead of a size class': step.replace('"n":2048', '"n":2047'),
    'a list of 65': step.replace('["stop"]', `[${Array.from({ length: 65 }, () => '"stop"').join(',')}]`),
    'more than 16 KiB': step.replace('"shop-agent"', `"${'x'.repeat(16_384)}"`),
    'a lone surrogate': step.replace('"shop-agent"', '"\\ud83d"'),
    'an unknown log': step.replace('/llm-runs"', '/runs"'),
    'a generation 1 that is written': step.replace('/llm-runs"', '/llm-runs.1"'),
  };
  const [salt, key] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  const values = ['', 'value', 'ü\0'];
  return {
    accepted: [STEP, RUN].map((fields) => ({
      fields,
      leaf: base64(encodeLeaf(fields)),
      leaf_hash: hex(leafHash(encodeLeaf(fields))),
    })),
    refused: Object.entries(refused).map(([why, text]) => ({ why, leaf: base64(utf8(text)) })),
    commitment: values.map((value) => ({
      salt: hex(salt),
      path: 'body',
      value: base64(utf8(value)),
      pc: hex(commit(salt, 'body', utf8(value))),
    })),
    size_class: [0, 1, 16, 17, 1024, 1025].map((bytes) => ({ bytes, n: sizeClass(bytes) })),
    token: ['ada@example.com', ''].map((value) => ({ key: hex(key), value, token: token(key, value) })),
  };
}

const SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 31, 32, 33, 64, 100, 127, 128, 129, 130, 256, 257, 1000];
const INCLUSION = [
  [0, 1],
  [0, 2],
  [1, 2],
  [2, 3],
  [0, 7],
  [6, 7],
  [5, 8],
  [8, 9],
  [12, 13],
  [64, 130],
  [128, 129],
  [129, 130],
  [0, 257],
  [256, 257],
  [999, 1000],
] as const;
const CONSISTENCY = [
  [0, 0],
  [0, 5],
  [1, 1],
  [1, 2],
  [2, 3],
  [3, 7],
  [4, 7],
  [6, 8],
  [8, 8],
  [8, 9],
  [64, 130],
  [100, 130],
  [128, 256],
  [129, 257],
  [999, 1000],
] as const;
const RANGE = [
  [0, 1, 1],
  [0, 7, 7],
  [1, 3, 7],
  [2, 4, 8],
  [3, 8, 8],
  [5, 6, 13],
  [60, 70, 130],
  [0, 130, 257],
  [255, 257, 1000],
] as const;

function treeVectors(): JsonValue {
  const leaves = Array.from({ length: 1000 }, (_, i) => leafHash(entry(i)));
  const read: ReadNode = (level, index) => treeHash(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
  const rootOf = (size: number) => hex(treeHash(leaves.slice(0, size)));
  return {
    comment: 'Leaf i is the decimal digits of i, in ASCII.',
    roots: SIZES.map((size) => ({
      size,
      root: rootOf(size),
      frontier: hex(encodeFrontier(extendFrontier(emptyFrontier, leaves.slice(0, size)))),
    })),
    inclusion: INCLUSION.map(([index, size]) => ({
      index,
      size,
      root: rootOf(size),
      path: inclusionProof(index, size, read).map(hex),
    })),
    consistency: CONSISTENCY.map(([from, to]) => ({
      from,
      to,
      from_root: rootOf(from),
      to_root: rootOf(to),
      path: consistencyProof(from, to, read).map(hex),
    })),
    range: RANGE.map(([begin, end, size]) => ({
      begin,
      end,
      size,
      root: rootOf(size),
      path: rangeProof({ begin, end, size }, read).map(hex),
    })),
  };
}

function tileVectors(): JsonValue {
  const tiles = [
    [0, 0, 256],
    [0, 1_234_067, 256],
    [1, 999, 1],
    [2, 1000, 255],
    ['entries', 273, 112],
    [6, 31, 31],
  ] as const;
  return {
    paths: tiles.map(([level, index, width]) => ({ level, index, width, path: tilePath(level, index, width) })),
    refused: [
      'tile/0/0',
      'tile/00/000',
      'tile/7/000',
      'tile/0/x000/001',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      '/tile/0/000',
      'tile/data/000',
    ],
    full: [
      [0, 255],
      [255, 256],
      [0, 513],
      [65_535, 65_536],
    ].map(([from, to]) => ({
      from: from ?? 0,
      to: to ?? 0,
      tiles: fullTilesBetween(from ?? 0, to ?? 0).map(({ level, index }) => [level, index]),
    })),
    entries: [{ leaves: ['YWI=', ''], tile: base64(encodeEntries([utf8('ab'), utf8('')])) }],
  };
}

function checkpointVectors(): JsonValue {
  const seed = new Uint8Array(32).fill(1);
  const key = createPrivateKey({
    key: Buffer.concat([unhex('302e020100300506032b657004220420'), seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(12));
  const signNote = (text: string, name: string = STEP.log) =>
    formatNote(text, [{ name, publicKey, sign: (message) => new Uint8Array(sign(null, message, key)) }]);
  const heads = [
    { size: 0, root: treeHash([]) },
    { size: 1000, root: treeHash(Array.from({ length: 1000 }, (_, i) => leafHash(entry(i)))) },
  ];
  const body = checkpointBody({ origin: STEP.log, size: 7, root: leafHash(utf8('x')) });
  const good = signNote(body);
  const refused: Record<string, string> = {
    'a fourth line': signNote(`${body}extension\n`),
    'two lines': signNote(body.split('\n').slice(0, 2).join('\n').concat('\n')),
    'a size with a leading zero': signNote(body.replace('\n7\n', '\n07\n')),
    'a size above 2^53-1': signNote(body.replace('\n7\n', '\n9007199254740992\n')),
    'size 0 and another root than that of nothing': signNote(body.replace('\n7\n', '\n0\n')),
    'base64 with unused bits set': signNote(body.replace(/.=\n$/, 'B=\n')),
    'an origin with a space': signNote(body.replace('/llm-runs', '/llm runs')),
    'no signature': body,
    'one signature twice': good + good.slice(good.lastIndexOf('\u2014')),
    'a hyphen for the dash': good.replace('\u2014', '-'),
    'a carriage return': good.replace('\n7\n', '\r\n7\n'),
    'nothing after the last line': good.slice(0, -1),
  };
  return {
    seed: hex(seed),
    public_key: hex(publicKey),
    name: STEP.log,
    key_id: hex(noteKeyId(STEP.log, publicKey)),
    vkey: vkeyOf(STEP.log, publicKey),
    accepted: heads.map(({ size, root }) => ({
      origin: STEP.log,
      size,
      root: hex(root),
      note: signNote(checkpointBody({ origin: STEP.log, size, root })),
    })),
    bad_signature: [good.replace('\n7\n', '\n8\n')],
    refused: Object.entries(refused).map(([why, note]) => ({ why, note })),
  };
}

function recordIdVectors(): JsonValue {
  const places = [
    ...TOPICS.map((topic, i) => ({ topic, generation: 1, index: i * 1000 })),
    { topic: 'llm-runs' as const, generation: 4_294_967_295, index: Number.MAX_SAFE_INTEGER },
  ];
  const refused = [
    '00000000-0100-8000-8000-00000000002a',
    '00000001-0600-8000-8000-00000000002a',
    '00000001-0100-4000-8000-00000000002a',
    '00000001-0100-8000-8000-00000000002A',
    '00000001-0100-8000-8020-000000000000',
  ];
  return { accepted: places.map((place) => ({ ...place, id: recordId(place) })), refused };
}
