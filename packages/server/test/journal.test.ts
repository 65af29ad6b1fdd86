import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex, sha256, utf8 } from '@sworn/evidence';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJournal, type Signed } from '../src/sign/journal.js';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync('/tmp/sworn-journal-');
  file = join(dir, 'journal.ndjson');
});
afterEach(() => rmSync(dir, { recursive: true }));

const signed = (size: number, of = 'honest'): Signed => ({ size, root: sha256(utf8(`${of} ${size}`)) });
const line = (origin: string, { size, root }: Signed): string =>
  `${JSON.stringify({ origin, size, root: hex(root) })}\n`;

describe("the signer's journal", () => {
  it('remembers across a restart, for this user alone', () => {
    const place = join(dir, 'made', 'here');
    openJournal(place).advance([
      { origin: 'd/t/audit', from: null, to: signed(3) },
      { origin: 'd/t/system', from: null, to: signed(1) },
    ]);
    const again = openJournal(place);
    expect(again.load('d/t/audit')).toEqual(signed(3));
    expect(again.load('d/t/system')).toEqual(signed(1));
    expect(again.load('d/u/audit')).toBeNull();
    expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(statSync(join(place, 'journal.ndjson')).mode & 0o777).toBe(0o600);
  });

  it('takes no step that does not start where it stands, or goes back, and then takes none of the others either', () => {
    const journal = openJournal(dir);
    journal.advance([{ origin: 'a', from: null, to: signed(5) }]);
    const bytes = readFileSync(file);
    for (const wrong of [
      { origin: 'a', from: null, to: signed(6) },
      { origin: 'a', from: signed(4), to: signed(6) },
      { origin: 'a', from: signed(5, 'forked'), to: signed(6) },
      { origin: 'a', from: signed(5), to: signed(4) },
    ]) {
      expect(() => journal.advance([{ origin: 'b', from: null, to: signed(1) }, wrong])).toThrow(/signer memory of a/);
    }
    expect(readFileSync(file)).toEqual(bytes);
    expect(journal.load('b')).toBeNull();
  });

  it('leaves out a torn last line, writes on behind what is whole, and changes nothing by looking', () => {
    openJournal(dir).advance([{ origin: 'a', from: null, to: signed(5) }]);
    const next = line('a', signed(9));
    for (const torn of [next.slice(0, 1), next.slice(0, 40), next.slice(0, -1)]) {
      writeFileSync(file, line('a', signed(5)));
      appendFileSync(file, torn);
      const journal = openJournal(dir);
      expect(journal.load('a')).toEqual(signed(5));
      expect(readFileSync(file, 'utf8')).toBe(line('a', signed(5)) + torn);
      journal.advance([{ origin: 'a', from: signed(5), to: signed(7) }]);
      expect(readFileSync(file, 'utf8')).toBe(line('a', signed(5)) + line('a', signed(7)));
      expect(openJournal(dir).load('a')).toEqual(signed(7));
    }
  });

  it('refuses a file with a line that the signer never wrote', () => {
    const sound = line('a', signed(5));
    for (const [wrong, of] of [
      ['\n', 1],
      ['{}\n', 1],
      [sound.replace('"size":5', '"size":-5'), 1],
      [sound.replace('"size":5', '"size":"5"'), 1],
      [sound + line('a', signed(4)), 2],
      [sound + line('a', signed(5, 'forked')), 2],
      [sound + sound.slice(0, 20) + sound, 2],
    ] as const) {
      writeFileSync(file, wrong);
      expect(() => openJournal(dir)).toThrow(`line ${of} is not what the signer wrote`);
    }
  });

  it('sees what another process wrote, moved back or removed', () => {
    const mine = openJournal(dir);
    const other = openJournal(dir);
    other.advance([{ origin: 'a', from: null, to: signed(2) }]);
    expect(mine.load('a')).toEqual(signed(2));
    mine.advance([{ origin: 'a', from: signed(2), to: signed(3) }]);
    other.advance([{ origin: 'a', from: signed(3), to: signed(4) }]);
    expect(() => mine.advance([{ origin: 'a', from: signed(3), to: signed(5) }])).toThrow('moved under the signer');
    writeFileSync(file, line('a', signed(2)));
    expect(mine.load('a')).toEqual(signed(2));
    rmSync(file);
    expect(mine.load('a')).toBeNull();
  });

  it('stays short: it is written anew with one line a log, also under another process that has it open', () => {
    const other = openJournal(dir);
    const lines = Array.from({ length: 20_001 }, (_, i) => line('a', signed(i + 1)));
    writeFileSync(file, line('b', signed(7)) + lines.join(''));
    const journal = openJournal(dir);
    journal.advance([{ origin: 'a', from: signed(20_001), to: signed(20_002) }]);
    expect(readFileSync(file, 'utf8')).toBe(line('b', signed(7)) + line('a', signed(20_002)));
    other.advance([{ origin: 'a', from: signed(20_002), to: signed(20_003) }]);
    expect(journal.load('a')).toEqual(signed(20_003));
    expect(openJournal(dir).load('b')).toEqual(signed(7));
  });

  it('holds the newest of each log after any history, cut anywhere in its last line', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 9 })), { maxLength: 20 }),
        fc.nat(200),
        (steps, cut) => {
          rmSync(file, { force: true });
          const journal = openJournal(dir);
          const held = new Map<string, Signed>();
          const written: (readonly [string, Signed])[] = [];
          for (const [origin, by] of steps) {
            const from = held.get(origin) ?? null;
            const to = signed((from?.size ?? 0) + by);
            journal.advance([{ origin, from, to }]);
            held.set(origin, to);
            written.push([origin, to]);
          }
          const last = written.at(-1);
          if (last !== undefined) {
            const text = readFileSync(file, 'utf8');
            const lost = 1 + (cut % line(...last).length);
            writeFileSync(file, text.slice(0, -lost));
            held.clear();
            for (const [origin, to] of written.slice(0, -1)) held.set(origin, to);
          }
          const after = openJournal(dir);
          for (const origin of ['a', 'b', 'c']) expect(after.load(origin)).toEqual(held.get(origin) ?? null);
        },
      ),
      { numRuns: 60 },
    );
  });
});
