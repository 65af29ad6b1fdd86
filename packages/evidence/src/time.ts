const TIMESTAMP =
  /^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z$/;
/** Every month has these days: only the days after them need the calendar. */
const SHORTEST_MONTH = '28';

/**
 * Whether a string is a time as leaves write it: RFC 3339, UTC with `Z`, exactly six fractional digits, a day that exists, years 0001 to 9999,
 * no leap second. So such strings sort as the times do.
 */
export function isTimestamp(text: string): boolean {
  if (!TIMESTAMP.test(text) || text.startsWith('0000')) return false;
  const day = text.slice(8, 10);
  return day <= SHORTEST_MONTH || Number(day) <= daysIn(Number(text.slice(0, 4)), Number(text.slice(5, 7)));
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2) return isLeap ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
