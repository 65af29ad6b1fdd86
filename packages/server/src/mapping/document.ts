import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { MappingFile, MappingMistake } from '../otlp/map/compile.js';

/** Thrown for a file of rules that cannot be used: file and line of every mistake. */
export class FileUnusable extends Error {}

/** A file of rules, and where in it something stands. */
export interface ReadFile extends MappingFile {
  /** Line of the value that `path` leads to, from 1; of the nearest one around it if there is none. */
  lineOf(path: readonly (string | number)[]): number | null;
}

/** @throws FileUnusable for what is no YAML; anchors are refused */
export function readDocument(directory: string, name: string): ReadFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(readFileSync(join(directory, name), 'utf8'), { lineCounter });
  const [error] = document.errors;
  if (error !== undefined) throw new FileUnusable(`${join(directory, name)}: ${error.message}`);
  return {
    name,
    content: document.toJS({ maxAliasCount: 0 }) as unknown,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const node = document.getIn(path.slice(0, length), true);
        if (isNode(node) && node.range != null) return lineCounter.linePos(node.range[0]).line;
      }
      return null;
    },
  };
}

/** A mistake with its file and line. */
export function described(
  directory: string,
  { file, path, why }: MappingMistake,
  documents: readonly ReadFile[],
): string {
  const line = documents.find(({ name }) => name === file)?.lineOf(path) ?? null;
  return `${join(directory, file)}${line === null ? '' : `:${line}`}: ${path.join(' › ')}: ${why}`;
}
