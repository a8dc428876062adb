/** What stands for a class of characters, when it is in it. */
const samples = [..."a1 A/-_.:@=\"'<>&;,\t\n\r\\é\u0001\u001b\u202e"];

interface Atom {
  readonly text: string;
  readonly isRepeated: boolean;
}

/**
 * Texts that make a backtracking search work hard: the beginning of a match, a part of it again and again, and an end that spoils it.
 * @param length - characters of each
 */
export function* hostileTexts(pattern: string, flags: string, length: number): Generator<string> {
  const atoms = atomsOf(pattern, flags);
  const textOf = (from: number, to: number) =>
    atoms
      .slice(from, to)
      .map(({ text }) => text)
      .join("");
  const pumps = new Set([...samples, textOf(0, atoms.length)]);
  const heads = new Set([""]);
  for (const [index, { isRepeated }] of atoms.entries()) {
    for (const next of [1, 2, 3]) pumps.add(textOf(index, index + next));
    if (isRepeated) heads.add(textOf(0, index));
    if (isRepeated) pumps.add(textOf(0, index));
  }
  // an exponential search shows itself in a few characters, and would never end with more
  for (const size of [20, length])
    for (const pump of pumps)
      for (const head of heads)
        if (pump !== "") yield `${head}${pump.repeat(Math.ceil(size / pump.length)).slice(0, size)}\u0001`;
}

/** One character, or escape, or class after the other, as if there were neither groups nor alternatives. */
function atomsOf(pattern: string, flags: string): Atom[] {
  const token =
    /\(\?(?:[:=!]|<[=!]|<\w+>)|\\[pP]\{[^}]*\}|\\x[\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\u\{[\da-fA-F]+\}|\\.|\[(?:\\.|[^\]\\])*\]|[*+?]\??|\{\d+(?:,\d*)?\}\??|./gsu;
  const out: Atom[] = [];
  for (const [part] of pattern.matchAll(token)) {
    if (/^[*+?{]/.test(part) && out.length > 0) {
      const last = out.pop();
      if (last !== undefined) out.push({ ...last, isRepeated: part !== "?" });
    } else if (!/^(?:[()|^$]|\(\?.*|\\[bB])$/.test(part)) {
      const one = new RegExp(`^(?:${part})$`, flags.replace(/[gy]/g, ""));
      const text = samples.find((sample) => one.test(sample)) ?? (part.length === 1 ? part : "");
      out.push({ text, isRepeated: false });
    }
  }
  return out;
}
