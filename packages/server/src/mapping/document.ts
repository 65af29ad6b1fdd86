import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Document, isNode, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { MappingFile, MappingMistake } from '../otlp/map/compile.js';

/** Thrown for files of rules that cannot be used: file and line of every mistake. */
export class FileUnusable extends Error {
  /** `of`: what cannot be used, and which setting names it. */
  constructor(of: string, mistakes: readonly string[]) {
    super(`${of} cannot be used:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** A file of rules, and where in it something stands. */
export interface ReadFile extends MappingFile {
  /** Line of the value that `path` leads to, from 1; of the nearest one around it if there is none. */
  lineOf(path: readonly (string | number)[]): number | null;
}

/** Rules that are one file: what they are called, who compiles its content, and what he throws for what he refuses. */
export interface RulesKind<T> {
  /** With the setting that names the file, where one does. */
  readonly of: string;
  readonly compile: (content: unknown) => T;
  readonly Refused: abstract new (
    ...args: never[]
  ) => Error & { readonly mistakes: readonly Omit<MappingMistake, 'file'>[] };
}

/**
 * Reads and compiles rules that are one file.
 * @throws FileUnusable naming file and line of every mistake.
 */
export function readRules<T>(path: string, { of, compile, Refused }: RulesKind<T>): T {
  const document = readDocument(dirname(path), basename(path), of);
  try {
    return compile(document.content);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const file = document.name;
    throw new FileUnusable(
      of,
      error.mistakes.map((mistake) => described(dirname(path), { file, ...mistake }, [document])),
    );
  }
}

/** @throws FileUnusable for what cannot be read, is no YAML, or is more of YAML than a file of rules needs */
export function readDocument(directory: string, name: string, of: string): ReadFile {
  const path = join(directory, name);
  const lineCounter = new LineCounter();
  const document = parseDocument(textOf(path, of), { lineCounter });
  const refused = (line: number | null, why: string) => new FileUnusable(of, [placed(path, line, why)]);
  const [wrong] = [...document.errors, ...document.warnings];
  if (wrong !== undefined) throw refused(wrong.linePos?.[0].line ?? null, saidOf(wrong));
  if (document.contents === null) throw refused(null, 'is empty; what comes with Sworn shows what stands in it');
  const lineAt = (node: Node): number | null => (node.range == null ? null : lineCounter.linePos(node.range[0]).line);
  // Nine lines of aliases of aliases are gigabytes.
  const alias = firstAlias(document);
  if (alias !== null)
    throw refused(lineAt(alias), `${alias.toString()}: aliases are not taken; write out what it stands for`);
  return {
    name,
    content: document.toJS({ maxAliasCount: 0 }) as unknown,
    lineOf(place) {
      for (let length = place.length; length > 0; length--) {
        const node = document.getIn(place.slice(0, length), true);
        if (isNode(node)) return lineAt(node);
      }
      return null;
    },
  };
}

function textOf(path: string, of: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new FileUnusable(of, [`${path} cannot be read (${code}): name a file that can, or leave the setting out`]);
  }
}

/** The library's words, without the picture of the place, and without advice for whoever calls it. */
function saidOf({ code, message }: { readonly code: string; readonly message: string }): string {
  if (code === 'MULTIPLE_DOCS') return 'another document begins here; a file has one';
  return (message.split('\n', 1)[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
}

function firstAlias(document: Document): Node | null {
  let found: Node | null = null;
  visit(document, {
    Alias(_, alias) {
      found = alias;
      return visit.BREAK;
    },
  });
  return found;
}

/** A mistake with its file and line. */
export function described(
  directory: string,
  { file, path, why }: MappingMistake,
  documents: readonly ReadFile[],
): string {
  const line = documents.find(({ name }) => name === file)?.lineOf(path) ?? null;
  return placed(join(directory, file), line, `${path.join(' › ') || 'the file'}: ${why}`);
}

function placed(path: string, line: number | null, why: string): string {
  return `${path}${line === null ? '' : `:${line}`}: ${why}`;
}
