/** The three bands that records are listed by; the sender's own number and text stand beside. */
type Severity = 'INFO' | 'WARN' | 'CRITICAL';

/** Words of loggers and of syslog, with the digit of OTLP's own short names (`ERROR3`). */
const CRITICAL_WORD = /^(error|err|fatal|critical|crit|alert|emerg|emergency|panic|severe)[2-4]?$/i;
const WARN_WORD = /^(warn|warning)[2-4]?$/i;

/** 1–12 INFO, 13–16 WARN, 17–24 CRITICAL; without a number by the text, and without either INFO (OTLP.md 2.4). */
export function severityOf(number: number, text: string): Severity {
  if (number >= 17 && number <= 24) return 'CRITICAL';
  if (number >= 13 && number <= 16) return 'WARN';
  if (number >= 1 && number <= 12) return 'INFO';
  const word = text.trim();
  if (CRITICAL_WORD.test(word)) return 'CRITICAL';
  return WARN_WORD.test(word) ? 'WARN' : 'INFO';
}
