import { parseTree } from "jsonc-parser";

/**
 * @param text - JSON (RFC 8259)
 * @returns the elements of an array, each as it is written; undefined when it is no array
 * @throws SyntaxError, RangeError when it is nested too deeply to be read
 */
export function elementsOf(text: string): readonly string[] | undefined {
  if (!Array.isArray(JSON.parse(text))) return undefined;
  const { children = [] } = parseTree(text) ?? {};
  return children.map(({ offset, length }) => text.slice(offset, offset + length));
}
