import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { unwrapFileKey, wrapFileKey } from '../src/export/keptKey.js';

const newKey = () => ({ id: randomUUID(), prk: randomBytes(32) });
const keys = Array.from({ length: 5 }, newKey);
const context = Buffer.from('of whom, and of what');
const fileKey = randomBytes(32);
const wrapped = wrapFileKey(keys, context, fileKey);

describe('the key of a kept bundle', () => {
  it('opens under all of its data keys, in whatever order they come', () => {
    expect(unwrapFileKey(keys.toReversed(), context, wrapped)).toEqual(fileKey);
  });

  it('opens not without any one of them, nor with another in its place, nor with one more', () => {
    for (const [at, { id }] of keys.entries()) {
      expect(unwrapFileKey(keys.toSpliced(at, 1), context, wrapped)).toBeNull();
      expect(unwrapFileKey(keys.toSpliced(at, 1, { ...newKey(), id }), context, wrapped)).toBeNull();
    }
    expect(unwrapFileKey([...keys, newKey()], context, wrapped)).toBeNull();
    expect(() => unwrapFileKey([], context, wrapped)).toThrow('no secret');
  });

  it('opens for what it was wrapped for and nothing else', () => {
    expect(unwrapFileKey(keys, Buffer.from('of somebody else'), wrapped)).toBeNull();
    for (const at of [0, 11, 12, 43, 44, 59]) {
      const other = Buffer.from(wrapped);
      other.writeUInt8(other.readUInt8(at) ^ 1, at);
      expect(unwrapFileKey(keys, context, other), String(at)).toBeNull();
    }
  });
});
