import bidiModule from 'bidi-js';
import type { Line } from './block.js';
import type { FaceName, Faces } from './pdfFaces.js';
import { codeOf, type Piece, piecesOf, restText } from './text.js';

/** How text is set. */
export interface TextStyle {
  readonly face: FaceName;
  /** Points. */
  readonly size: number;
  readonly color: string;
}

/** Text of one face and colour that is drawn at once. */
export interface Run {
  readonly text: string;
  readonly face: FaceName;
  readonly size: number;
  readonly color: string;
  /** Points, without what the face does to neighbours. */
  readonly width: number;
  /** Embedding level (UAX #9): odd ones run from right to left. */
  readonly level: number;
}

/** Runs from left to right, as they are seen. */
export type SetLine = readonly Run[];

/** A character with what stands on it, and its place in the order of reading. */
interface Atom {
  readonly text: string;
  readonly face: FaceName;
  readonly size: number;
  readonly color: string;
  /** Points. */
  readonly width: number;
  level: number;
  readonly breaks: boolean;
}

/** What is not shown as it is has this colour, and so does what says that something was left out. */
const CODE_COLOR = '#8a3b00';
// Its types are those of an ES module; what Node loads is the function itself.
const bidi = (bidiModule as unknown as typeof bidiModule.default)();

/** Sets a text in lines of a width, in points: words where there are any, else characters. At least one line. */
export function setLines(
  faces: Faces,
  { pieces, label, style }: { readonly pieces: readonly Piece[]; readonly label?: string; readonly style: TextStyle },
  width: number,
): SetLine[] {
  const atoms = [
    ...(label === undefined ? [] : atomsOf(faces, `${label} `, { ...style, face: 'sans', color: '#57606a' })),
    ...contentAtoms(faces, pieces, style),
  ];
  return wrapped(atoms, width).map(runsOf);
}

/** Sets a line of a value. */
export function setLine(
  faces: Faces,
  { text, label, mono, strong, max }: Line,
  { style, width }: { readonly style: TextStyle; readonly width: number },
): SetLine[] {
  const face = mono === true ? 'mono' : strong === true ? 'bold' : 'sans';
  const size = mono === true ? style.size * 0.88 : style.size;
  const named = label === undefined ? {} : { label };
  return setLines(faces, { pieces: piecesOf(text, max), ...named, style: { ...style, face, size } }, width);
}

/** The atoms of a text, with their levels: found for the text as a whole, from left to right. */
function contentAtoms(faces: Faces, pieces: readonly Piece[], style: TextStyle): Atom[] {
  const code: TextStyle = { face: 'mono', size: style.size * 0.9, color: CODE_COLOR };
  const atoms = pieces.flatMap((piece) => {
    if (piece.kind === 'plain') return atomsOf(faces, piece.text, style);
    return atomsOf(faces, piece.kind === 'code' ? `[${piece.text}]` : restText(piece.count), code);
  });
  const text = atoms.map((atom) => atom.text).join('');
  if (!MAY_TURN.test(text)) return atoms;
  const { levels } = bidi.getEmbeddingLevels(text, 'ltr');
  let at = 0;
  for (const atom of atoms) {
    atom.level = levels[at] ?? 0;
    at += atom.text.length;
  }
  return atoms;
}

/** Texts without any of these run from left to right. */
const MAY_TURN = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** Characters after which a line may end: spaces, what joins words in names, and those of scripts that have no spaces. */
const BREAKS = /[ \-/@;|\u2E80-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF\uFF00-\uFFEF]/u;

function atomsOf(faces: Faces, text: string, { face: asked, size, color }: TextStyle): Atom[] {
  const atoms: Atom[] = [];
  for (const character of text) {
    const glyph = faces.glyphOf(character.codePointAt(0) as number, asked);
    const last = atoms.at(-1);
    if (glyph === null) {
      // No face has it: its number stands there, so that nothing is left out and no empty box seen.
      atoms.push(...atomsOf(faces, `[${codeOf(character)}]`, { face: 'mono', size: size * 0.9, color: CODE_COLOR }));
    } else if (last !== undefined && glyph.width === 0 && last.face === glyph.face && last.color === color) {
      atoms[atoms.length - 1] = { ...last, text: last.text + character };
    } else {
      const { face, width } = glyph;
      atoms.push({ text: character, face, size, color, width: width * size, level: 0, breaks: BREAKS.test(character) });
    }
  }
  return atoms;
}

function wrapped(atoms: readonly Atom[], width: number): Atom[][] {
  const lines: Atom[][] = [];
  let line: Atom[] = [];
  let [used, breakAt] = [0, 0];
  for (const atom of atoms) {
    while (line.length > 0 && used + atom.width > width && atom.text !== ' ') {
      const at = breakAt > 0 ? breakAt : line.length;
      lines.push(line.slice(0, at));
      line = line.slice(at);
      used = line.reduce((sum, one) => sum + one.width, 0);
      breakAt = 0;
    }
    line.push(atom);
    used += atom.width;
    if (atom.breaks) breakAt = line.length;
  }
  lines.push(line);
  return lines;
}

/** Runs of a line in the order in which they are seen (UAX #9, L2). Within one that runs from right to left the face orders the glyphs. */
function runsOf(atoms: readonly Atom[]): SetLine {
  const runs: Run[] = [];
  for (const { text, face, size, color, width, level } of atoms) {
    const last = runs.at(-1);
    if (last !== undefined && last.face === face && last.size === size && last.color === color && last.level === level)
      runs[runs.length - 1] = { ...last, text: last.text + text, width: last.width + width };
    else runs.push({ text, face, size, color, width, level });
  }
  const highest = Math.max(0, ...runs.map(({ level }) => level));
  for (let level = highest; level > 0; level--) {
    for (let from = 0; from < runs.length; from++) {
      let to = from;
      while (to < runs.length && (runs[to] as Run).level >= level) to++;
      if (to > from + 1) runs.splice(from, to - from, ...runs.slice(from, to).toReversed());
      from = Math.max(from, to - 1);
    }
  }
  return runs.map((run) => (run.level % 2 === 1 ? { ...run, text: turned(run.text) } : run));
}

/** Brackets are mirrored; a run without a letter that tells the face its direction is turned here. */
function turned(text: string): string {
  const mirrored = Array.from(text, (character) => bidi.getMirroredCharacter(character) ?? character);
  return MAY_TURN.test(text) ? mirrored.join('') : mirrored.toReversed().join('');
}
