import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SERVER = fileURLToPath(new URL('../../packages/server/', import.meta.url));

/**
 * The server's sources as JavaScript that a process of its own can run, whatever `dist` holds, so that a test can kill it.
 * @returns the directory that stands for `packages/server/src`.
 */
export function compileServer(...folders: readonly string[]): string {
  mkdirSync(join(SERVER, '..', '..', '.cache'), { recursive: true });
  const root = mkdtempSync(join(SERVER, '..', '..', '.cache', 'server-'));
  for (const folder of folders) {
    for (const name of readdirSync(join(SERVER, 'src', folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const out = join(root, folder, name.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(out), { recursive: true });
      writeFileSync(out, compile(readFileSync(join(SERVER, 'src', folder, name), 'utf8')));
    }
  }
  return root;
}

/**
 * A script of `packages/server/test` as JavaScript beside what `compileServer` made, which it then imports in the place of `../src`.
 * @returns its path.
 */
export function compileScript(root: string, name: string): string {
  const out = join(root, basename(name).replace(/\.ts$/, '.js'));
  const text = readFileSync(join(SERVER, 'test', name), 'utf8');
  writeFileSync(out, compile(text.replaceAll(/(from '|import\(')\.\.\/src\//g, '$1./')));
  return out;
}

function compile(text: string): string {
  return ts.transpileModule(text, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true },
  }).outputText;
}
