import { ReportFault } from "./reported-test.ts";

/**
 * Text of a report: by its byte order mark, else by the zero bytes of UTF-16, else as its XML declaration says, else UTF-8. Bytes that are none of that encoding become the replacement character: what tests printed may be anything.
 * @throws ReportFault - the encoding that it declares is not known
 */
export function reportText(bytes: Uint8Array): string {
  const encoding = encodingOf(bytes);
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch (cause) {
    const remedy = "write it in UTF-8";
    throw new ReportFault(`the report says that its encoding is ${encoding}, which is not known; ${remedy}`, { cause });
  }
}

/** A declaration of UTF-16 in single bytes is wrong: .NET writes it so. ASCII is part of UTF-8. */
function encodingOf(bytes: Uint8Array): string {
  const [first = 0, second = 0] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return "utf-16le";
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return "utf-16be";
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 200));
  const declared = /^<\?xml [^>]{0,100}encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']/.exec(head)?.[1] ?? "utf-8";
  return /^(utf-?16|ucs-?2|iso-10646|unicode$|us-ascii|ascii)/i.test(declared) ? "utf-8" : declared;
}
