// @ts-check
/** Plain JavaScript, since it also shows the installation of packages. */

const drawEveryMs = 250;
const plainEveryMs = 15_000;

/**
 * Shows running tasks. On a terminal each task has one line at the bottom, which is overwritten; elsewhere it prints a line at the start, every 15 s, and at the end.
 * @param {{ live?: { show(lines: string[]): void }, print(line: string): void }} to - the live lines of a terminal, if there is one, and where lines go that stay
 */
export function createProgress({ live, print }) {
  /** @type {Set<() => string>} */
  const lines = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  let drawing;
  const draw = () => live?.show([...lines].map((line) => line()));
  return {
    /**
     * @param {string} name - what is done: "building x 1.2"
     * @param {string} step - what is known of it at the start: "about a minute"
     */
    begin(name, step) {
      const began = performance.now();
      const seconds = () => `${Math.round((performance.now() - began) / 1000)} s`;
      let now = step;
      const line = () => `${name}: ${now} (${seconds()})`;
      lines.add(line);
      if (live) drawing ??= setInterval(draw, drawEveryMs);
      else print(`${name}: ${step}`);
      const telling = live ? undefined : setInterval(() => print(line()), plainEveryMs);
      draw();
      return {
        /** @param {string} text - how far it is: "37 of 590 packages" */
        step(text) {
          now = text;
        },
        /** @param {string} [text] - what was reached, told with the time it took; nothing is told without it */
        end(text) {
          if (!lines.delete(line)) return;
          clearInterval(telling);
          if (lines.size === 0) {
            clearInterval(drawing);
            drawing = undefined;
          }
          draw();
          if (text !== undefined) print(`${text} in ${seconds()}`);
        },
      };
    },
  };
}

/**
 * Lines at the bottom of a terminal's output. The cursor stays visible, so nothing has to be restored.
 * @param {import("node:tty").WriteStream} stream
 * @returns undefined when it is no terminal, or one that cannot go back over its lines
 */
export function createLiveLines(stream) {
  if (!stream.isTTY || process.env.TERM === "dumb") return undefined;
  /** @type {string[]} */
  let shown = [];
  /** @param {string[]} lines */
  const replace = (lines) => {
    const back = shown.length === 0 ? "" : `\u001b[${shown.length}A\r\u001b[J`;
    shown = lines;
    const width = Math.max(1, (stream.columns || 80) - 1);
    stream.write(back + lines.map((line) => `${line.slice(0, width)}\n`).join(""));
  };
  return {
    /** @param {string[]} lines - of one column a character */
    show(lines) {
      replace(lines.slice(0, Math.max(1, (stream.rows || 24) - 1)));
    },
    /**
     * Lets something be printed above the lines.
     * @param {() => void} print
     */
    above(print) {
      const lines = shown;
      if (lines.length > 0) replace([]);
      print();
      if (lines.length > 0) replace(lines);
    },
  };
}
