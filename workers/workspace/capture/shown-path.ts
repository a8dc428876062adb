/**
 * A path as people and JSON get it: UTF-8, and bytes that are none as `\xNN`.
 * @param path - one latin1 character a byte
 */
export function shownPath(path: string): string {
  const bytes = Buffer.from(path, "latin1");
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  return [...bytes].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`)).join("");
}
