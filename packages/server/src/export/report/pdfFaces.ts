import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inflateSync } from 'node:zlib';
import * as fontkit from 'fontkit';

/**
 * The faces of a PDF, of files of pinned packages, so that a report is the same everywhere. DejaVu has the scripts of Europe, Arabic, Hebrew and signs;
 * Unifont, coarse and not joined, has nearly everything else of the basic plane, Chinese, Japanese and Korean with it.
 */
const FILES = {
  sans: 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf',
  bold: 'dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf',
  mono: 'dejavu-fonts-ttf/ttf/DejaVuSansMono.ttf',
  wide: '@fontsource/unifont/files/unifont-latin-400-normal.woff',
} as const;

/** One of them. */
export type FaceName = keyof typeof FILES;

const read = new Map<FaceName, Buffer>();

/** The bytes of a face, as TrueType has them; they are read once. */
export function faceBytes(name: FaceName): Buffer {
  let bytes = read.get(name);
  if (bytes === undefined) {
    bytes = readFileSync(createRequire(import.meta.url).resolve(FILES[name]));
    if (bytes.toString('latin1', 0, 4) === 'wOFF') bytes = unpacked(bytes);
    read.set(name, bytes);
  }
  return bytes;
}

/** TrueType out of WOFF (W3C WOFF 1.0, §3 to §5): the reader of fonts would inflate a table anew for each glyph. */
function unpacked(woff: Buffer): Buffer {
  const tables = Array.from({ length: woff.readUInt16BE(12) }, (_, i) => {
    const at = 44 + 20 * i;
    const [from, packed, length] = [woff.readUInt32BE(at + 4), woff.readUInt32BE(at + 8), woff.readUInt32BE(at + 12)];
    const bytes = woff.subarray(from, from + packed);
    const checksum = woff.subarray(at + 16, at + 20);
    return { tag: woff.subarray(at, at + 4), checksum, bytes: packed < length ? inflateSync(bytes) : bytes };
  });
  const head = Buffer.alloc(12);
  woff.copy(head, 0, 4, 8);
  head.writeUInt16BE(tables.length, 4);
  let offset = head.length + 16 * tables.length;
  const entries = tables.map(({ tag, checksum, bytes }) => {
    const place = Buffer.alloc(8);
    place.writeUInt32BE(offset, 0);
    place.writeUInt32BE(bytes.length, 4);
    offset += bytes.length + padding(bytes.length);
    return Buffer.concat([tag, checksum, place]);
  });
  return Buffer.concat([
    head,
    ...entries,
    ...tables.flatMap(({ bytes }) => [bytes, Buffer.alloc(padding(bytes.length))]),
  ]);
}

/** To the next multiple of four. */
function padding(length: number): number {
  return (4 - (length % 4)) % 4;
}

/** Where else a character is looked for. */
const BESIDE: Readonly<Record<FaceName, readonly FaceName[]>> = {
  sans: ['sans', 'wide'],
  bold: ['bold', 'sans', 'wide'],
  mono: ['mono', 'sans', 'wide'],
  wide: ['wide'],
};

/** A character in a face: how wide it is, in ems. */
export interface Glyph {
  readonly face: FaceName;
  readonly width: number;
}

/** Looks characters up: the face asked for, else the next that has it; null where none has. */
export class Faces {
  readonly #fonts = new Map<FaceName, fontkit.Font>();
  readonly #known = new Map<string, Glyph | null>();

  glyphOf(codePoint: number, asked: FaceName): Glyph | null {
    const key = `${asked}${codePoint}`;
    let glyph = this.#known.get(key);
    if (glyph === undefined) {
      glyph = this.#find(codePoint, asked);
      this.#known.set(key, glyph);
    }
    return glyph;
  }

  #find(codePoint: number, asked: FaceName): Glyph | null {
    for (const face of BESIDE[asked]) {
      const font = this.#font(face);
      if (font.hasGlyphForCodePoint(codePoint))
        return { face, width: font.glyphForCodePoint(codePoint).advanceWidth / font.unitsPerEm };
    }
    return null;
  }

  #font(name: FaceName): fontkit.Font {
    let font = this.#fonts.get(name);
    if (font === undefined) {
      font = fontkit.create(faceBytes(name)) as fontkit.Font;
      this.#fonts.set(name, font);
    }
    return font;
  }
}
