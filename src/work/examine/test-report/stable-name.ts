/**
 * Parts of names that change by themselves from run to run, in the order in which they are looked for. Each is linear in the length of a name: repeats are bounded, and begin where no longer one is under way.
 */
const unstable: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "id", pattern: /(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])/gi },
  // 0x7f307db753d0; Java's Price@1b6d3586 and [Ljava.lang.String;@1b6d3586; its lambdas' 14/1023487453@2f92e0f4; Elixir's #PID<0.123.0>
  {
    what: "address",
    pattern:
      /(?<=\$\$Lambda\$\d{1,6}\/)\d{1,12}@[0-9a-f]{1,16}(?![0-9a-z])|(?<![0-9a-z])0x[0-9a-f]{4,16}(?![0-9a-z])|(?<=[\w;>])@[0-9a-f]{5,16}(?![0-9a-z])|#(?:PID|Port|Reference)<[\d.]{1,60}>/gi,
  },
  {
    what: "temporary path",
    pattern:
      /(?<![\w.-])\/(?:tmp|var\/tmp|var\/folders|private\/var\/folders|private\/tmp|dev\/shm)\/[^\s"'`,;:<>()[\]{}]{1,4096}/g,
  },
  {
    what: "time",
    pattern:
      /(?<!\d)\d{4}-\d\d-\d\d(?:[T _]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?Z| ?[+-]\d\d:?\d\d)?)?(?!\d)|(?<![\d:])\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?: [AP]M)?(?![\d:])|(?<!\d)\d{8}[T_-]\d{6}(?:\.\d{1,9})?Z?(?!\d)/g,
  },
  // 2026/11/30; 11/30/2026; Mon, 30 Nov 2026; Mon Nov 30 2026, and Mon Nov 30 before a time of day
  {
    what: "time",
    pattern:
      /(?<![\d/])(?:\d{4}\/\d\d\/\d\d|\d{1,2}\/\d{1,2}\/\d{4})(?![\d/])|(?<![A-Za-z\d])(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2})(?:,? \d{4}(?!\d)|(?= <time>))/g,
  },
  // seconds since 1970, and parts of them; Go's monotonic clock; Python's datetime; 20261130132036
  {
    what: "time",
    pattern:
      /(?<![\w.])1[6-9]\d{8}(?:\d{3}|\d{6}|\d{9})?(?![\w.])|(?<![\w.])1[6-9]\d{8}\.\d{1,9}(?![\w.])|(?<![A-Za-z\d])m=[+-]\d{1,12}\.\d{1,12}|datetime\.(?:datetime|date|time)\(\d{1,4}(?:, \d{1,6}){1,6}\)|(?<![\d.])20\d\d[01]\d[0-3]\d[0-2]\d[0-5]\d[0-5]\d(?![\d.])/g,
  },
  {
    what: "duration",
    pattern:
      /(?<![\w.])\d{1,12}(?:\.\d{1,12})? ?(?:ns|µs|μs|us|ms)(?!\w)|(?<![\w.])(?:\d{1,4}h)?(?:\d{1,4}m)?\d{1,12}\.\d{1,12} ?s(?:ec(?:onds?)?)?(?!\w)/g,
  },
  { what: "port", pattern: /(?<=(?<![\w.])(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):)\d{4,5}(?!\d)/gi },
  // digests, object ids, ULIDs: with a digit and a letter, so that no word is one
  { what: "id", pattern: /(?<![0-9a-z])(?=[a-f]{0,63}[0-9])(?=[0-9]{0,63}[a-f])[0-9a-f]{16,64}(?![0-9a-z])/gi },
  { what: "id", pattern: /(?<![0-9A-Za-z])[0-7][0-9A-HJKMNP-TV-Z]{25}(?![0-9A-Za-z])/g },
];

/**
 * A test's name without what changes by itself: addresses, UUIDs and other long ids, dates, times and durations, temporary paths, ports of this host. Each becomes a word in angle brackets.
 * Two tests may have one such name; whoever compares counts them.
 */
export function stableName(name: string): string {
  return unstable.reduce((text, { what, pattern }) => text.replace(pattern, `<${what}>`), name);
}

/** A name without its numbers: names that are alike in it may be of one test, and nobody can say so. */
export function nameWithoutNumbers(name: string): string {
  return stableName(name).replace(/\d+/g, "0");
}
