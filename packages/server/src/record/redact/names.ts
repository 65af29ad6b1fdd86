/** `api_key` as it is really written: API-Key, apiKey, api_key. */
function written(names: readonly string[]): string {
  return `(?:${names.map((name) => name.replaceAll('_', '[_-]?')).join('|')})`;
}

/** Matches attribute keys that are, or end in, one of the names. */
export function namePattern(names: readonly string[]): RegExp {
  return new RegExp(`${written(names)}$`, 'i');
}

/**
 * Patterns for a named value inside a text: a JSON or Python member, an assignment, a command-line option, a line of YAML. The
 * group is the value. Quantifiers are bounded and no two of them share characters at their border, so each runs in linear time.
 */
export function nameTexts(names: readonly string[], shape: string | null): string[] {
  const name = written(names);
  if (shape !== null) return [`${name}["']?\\s{0,8}[=:]>?\\s{0,8}["']?(${shape})`];
  const quoted = `"((?:[^"\\\\]|\\\\[\\s\\S]){1,65536})|'((?:[^'\\\\]|\\\\[\\s\\S]){1,65536})`;
  const bare = `[^\\s&;,"'<>(){}\\[\\]\\\\]{1,4096}`;
  return [
    `${name}["']\\s{0,8}[:=]>?\\s{0,8}(?:${quoted}|(-?[0-9.]{1,64}))`,
    `${name}\\s{0,4}:?=>?(?!=)\\s{0,4}(?:${quoted}|(${bare}))`,
    // Prose says "password: please ask"; a value with a digit in it is taken for one.
    `${name}:\\s{0,4}(?=[^\\s]{0,64}[0-9])([^\\s,;"'<>\\\\]{4,4096})`,
    `--[A-Za-z-]{0,32}${name}\\s{1,4}(?!-)(${bare})`,
  ];
}
