import { readFileSync, statSync } from "node:fs";

/**
 * Reads a token from a file that is replaced when the token is renewed. The file is read again only after it changed.
 * @returns a function that gives the current token; it throws when the file can't be read or is empty
 */
export function createTokenFile(path: string): () => string {
  let known = { stamp: "", token: "" };
  return () => {
    const { mtimeMs, ino, size } = statSync(path);
    const stamp = `${mtimeMs}/${ino}/${size}`;
    if (stamp !== known.stamp) {
      const token = readFileSync(path, "utf8").trim();
      if (token === "") throw new Error(`the token file ${path} is empty; write the worker's token to it`);
      known = { stamp, token };
    }
    return known.token;
  };
}
