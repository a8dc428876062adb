const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/i;
const minuteMs = 60_000;

/**
 * Reads an RFC 3339 timestamp: T and Z in either case, `-00:00`, any fraction, a leap second at the end of a month in UTC.
 * @returns the moment in UTC with at most six digits of the second, which is what Postgres keeps, further ones cut; a leap second as the second after it.
 *   undefined for another form, for a day or time that does not exist, and outside of the years 0001 to 9999
 */
export function utcOf(text: string): string | undefined {
  const found = form.exec(text);
  if (found === null) return undefined;
  const part = (index: number): number => Number(found[index] ?? 0);
  const [month, day, hour, minute, second] = [part(2), part(3), part(4), part(5), part(6)];
  if (hour > 23 || minute > 59 || second > 60 || part(9) > 23 || part(10) > 59) return undefined;
  const local = new Date(0);
  local.setUTCFullYear(part(1), month - 1, day);
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return undefined;
  const offset = (part(9) * 60 + part(10)) * (found[8] === "-" ? -1 : 1);
  const utc = new Date(local.getTime() + (hour * 60 + minute - offset) * minuteMs + second * 1_000);
  if (second === 60 && !isMonthsFirst(utc)) return undefined;
  const year = utc.getUTCFullYear();
  return year < 1 || year > 9999 ? undefined : `${utc.toISOString().slice(0, 19)}${(found[7] ?? "").slice(0, 7)}Z`;
}

const isMonthsFirst = (utc: Date): boolean =>
  utc.getUTCDate() === 1 && utc.getUTCHours() === 0 && utc.getUTCMinutes() === 0;
