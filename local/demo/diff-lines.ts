import { plain } from "../../src/cli/show/output.ts";
import { tint } from "../../src/cli/show/terminal.ts";

/** @returns a patch for people: added lines green, removed lines red, control characters escaped */
export function diffLines(patch: string): string[] {
  let isBody = false;
  return patch.split("\n").flatMap((line, index, all) => {
    if (line === "" && index === all.length - 1) return [];
    if (line.startsWith("diff --git ")) isBody = false;
    if (line.startsWith("@@ ")) isBody = true;
    const text = plain(line.replaceAll("\t", "  "));
    if (!isBody) return [tint("bold", text)];
    if (line.startsWith("@@ ")) return [tint("dim", text)];
    if (line.startsWith("+")) return [tint("green", text)];
    return [line.startsWith("-") ? tint("red", text) : text];
  });
}
