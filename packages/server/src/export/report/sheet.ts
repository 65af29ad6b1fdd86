import Pdf from 'pdfkit';
import { type FaceName, Faces, faceBytes } from './pdfFaces.js';
import { type Run, type SetLine, setLines, type TextStyle } from './pdfLines.js';

/** A4 in points, and what is left free around the text. */
const PAGE = { width: 595.28, height: 841.89 } as const;
export const MARGIN = 42;
const BOTTOM = PAGE.height - 52;
/** Width of the text, in points. */
export const WIDTH = PAGE.width - 2 * MARGIN;

/** What a sheet says of itself. */
export interface SheetTitle {
  readonly title: string;
  /** Below each page. */
  readonly foot: string;
  readonly date: Date;
}

/** Pages that are written one after the other, from top to bottom, and handed on as they are full. */
export class Sheet {
  readonly faces = new Faces();
  readonly #doc: PDFKit.PDFDocument;
  readonly #foot: string;
  /** Where the next line begins, in points from the top. */
  y = MARGIN;
  #page = 0;

  constructor({ title, foot, date }: SheetTitle) {
    this.#foot = foot;
    this.#doc = new Pdf({
      size: [PAGE.width, PAGE.height],
      margin: 0,
      autoFirstPage: false,
      // What deflate writes differs between versions of zlib; a report may not.
      compress: false,
      // Bounded memory: the cache of pdfkit keeps every word that was ever set.
      fontLayoutCache: false,
      // Not Helvetica, which would be named and not embedded.
      font: '',
      pdfVersion: '1.7',
      lang: 'en',
      displayTitle: true,
      info: { Title: title, Creator: 'Sworn', Producer: 'Sworn', CreationDate: date, ModDate: date },
    });
    for (const name of ['sans', 'bold', 'mono', 'wide'] satisfies FaceName[])
      this.#doc.registerFont(name, faceBytes(name));
    this.turn();
  }

  /** Begins a page. */
  turn(): void {
    this.#page++;
    this.#doc.addPage();
    this.y = MARGIN;
    const style: TextStyle = { face: 'sans', size: 7, color: '#57606a' };
    for (const [text, x] of [
      [this.#foot, MARGIN],
      [`Page ${this.#page}`, PAGE.width - MARGIN - 36],
    ] as const) {
      const [line] = setLines(this.faces, { pieces: [{ kind: 'plain', text }], style }, WIDTH);
      this.draw(line ?? [], x, PAGE.height - 30);
    }
  }

  /** Whether so many points are left on this page. */
  hasRoom(points: number): boolean {
    return this.y + points <= BOTTOM;
  }

  /** Begins a page unless so many points are left. */
  need(points: number): void {
    if (!this.hasRoom(points) && this.y > MARGIN) this.turn();
  }

  /** Draws a line with its baseline there. */
  draw(line: SetLine, x: number, baseline: number): void {
    let at = x;
    for (const run of line) at += this.#write(run, at, baseline);
  }

  /** Fills a box. */
  fill(color: string, x: number, y: number, width: number, height: number): void {
    this.#doc.rect(x, y, width, height).fill(color);
  }

  /** Draws a line across. */
  rule(color: string, thick = 0.5): void {
    this.fill(color, MARGIN, this.y, WIDTH, thick);
  }

  /** The bytes written since it was asked last. */
  *drained(): Generator<Uint8Array> {
    for (
      let bytes = this.#doc.read() as Uint8Array | null;
      bytes !== null;
      bytes = this.#doc.read() as Uint8Array | null
    )
      yield bytes;
  }

  /** Writes what comes after the last page. */
  end(): void {
    this.#doc.end();
  }

  /** Its width, as it was drawn. */
  #write({ text, face, size, color, width, level }: Run, x: number, baseline: number): number {
    const isRtl = level % 2 === 1;
    this.#doc.font(face).fontSize(size).fillColor(color);
    // With features a run is laid out as a whole and not word by word: the words of one from right to left would else stand in the wrong order.
    const how = isRtl ? { features: [] } : { textWidth: width, wordCount: 1 };
    this.#doc.text(text, x, baseline, { lineBreak: false, baseline: 'alphabetic', ...how });
    return isRtl ? this.#doc.widthOfString(text, how) : width;
  }
}
