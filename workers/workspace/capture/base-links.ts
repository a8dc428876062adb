import { readlink } from "node:fs/promises";
import { join } from "node:path";
import type { TreeLinkJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Base } from "../repo/git-repositories.ts";
import { CaptureError } from "./enumerate.ts";

/** A report is one message, of which the api takes 6 MiB. */
const linksBytes = 512 * 1024;

/**
 * @param tracked - paths of the base, one latin1 character a byte → git's mode
 * @returns every link of the base, as it lies in the host's own copy of it
 * @throws CaptureError when they are too many for the report
 */
export async function baseLinksOf(base: Base, tracked: ReadonlyMap<string, string>): Promise<readonly TreeLinkJson[]> {
  const links: TreeLinkJson[] = [];
  for (const [path, mode] of tracked) {
    if (mode !== "120000") continue;
    const at = Buffer.concat([Buffer.from(join(base.path, "/")), Buffer.from(path, "latin1")]);
    const target = await readlink(at, { encoding: "latin1" });
    links.push({ path: shownPath(path), target: shownPath(target) });
  }
  if (Buffer.byteLength(JSON.stringify(links)) > linksBytes)
    throw new CaptureError(
      `the base has ${links.length} links, of which the list is larger than ${linksBytes} bytes; keep fewer in the repository`,
    );
  return links;
}

/**
 * A path for people and JSON: UTF-8, with other bytes as `\xNN`.
 * @param path - one latin1 character a byte
 */
export function shownPath(path: string): string {
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  return [...bytes].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join("");
}
