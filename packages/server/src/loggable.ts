/** What a log may hold of an error: names and codes, no message of any value. */
export function loggable(error: unknown): {
  readonly error: string;
  readonly code: string | null;
  readonly at: string | null;
} {
  if (!(error instanceof Error)) return { error: typeof error, code: null, at: null };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  const frame = error.stack?.split('\n').find((line) => line.startsWith('    at ')) ?? null;
  return { error: error.name, code, at: frame?.trim() ?? null };
}
