/** Largest declared thing, bytes of its proto JSON: whoever decides holds many at once. */
const largestBytes = 256 * 1024;

/** @param field - what it is, for the message */
export function faultOfSize(declared: object, field: string): string[] {
  const bytes = Buffer.byteLength(JSON.stringify(declared));
  if (bytes <= largestBytes) return [];
  return [`${field} has ${bytes} bytes as JSON and may have ${largestBytes}; shorten what is long in it, or split it`];
}
