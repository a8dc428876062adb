const entities = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#10;": "\n", "&amp;": "&" };
const plain = (text) => text.replace(/&(lt|gt|quot|apos|#10|amp);/g, (entity) => entities[entity]);

/**
 * Reads what failed out of the JUnit report of `node --test`.
 * @returns name and file of each failed test, and what was wrong in a line
 */
export function failuresOf(report) {
  return [...report.matchAll(/<testcase ([^>]*)>\s*<failure([^>]*)>/g)].map(([, test, failure]) => ({
    name: attribute(test, "name"),
    file: attribute(test, "file"),
    wrong: attribute(failure, "message").split("\n").filter(Boolean).join(" "),
  }));
}

function attribute(tag, name) {
  return plain(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}
