/** What a slip often was meant to be. */
const slips = {
  ">": [">=", "<"],
  ">=": [">", "<="],
  "<": ["<=", ">"],
  "<=": ["<", ">="],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
};
const operator = /(?<= )(>=|<=|===|!==|&&|\|\||>|<|\+|-|\*|\/)(?= )/g;

/**
 * Lists small changes to a source text, those first whose line has words of the failed test.
 * @returns line from 1, what it was, what it becomes, and the whole text after it
 */
export function changesOf(text, testName) {
  const words = testName.toLowerCase().match(/\p{L}{4,}/gu) ?? [];
  const lines = text.split("\n");
  const scoreOf = (line) => words.filter((word) => line.toLowerCase().includes(word)).length;
  return lines
    .flatMap((line, index) => (/^\s*(\/\/|\/?\*)/.test(line) ? [] : changesOfLine(lines, index)))
    .toSorted((a, b) => scoreOf(b.before) - scoreOf(a.before));
}

function changesOfLine(lines, index) {
  const before = lines[index];
  return [...before.matchAll(operator)].flatMap((found) =>
    slips[found[0]].map((other) => {
      const after = before.slice(0, found.index) + other + before.slice(found.index + found[0].length);
      return { line: index + 1, before: before.trim(), after: after.trim(), text: lines.with(index, after).join("\n") };
    }),
  );
}
