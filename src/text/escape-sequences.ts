/** Removes escape sequences from a text that comes in pieces. */
export interface EscapeFilter {
  /** @returns the text without escape sequences and without control characters other than tab, line feed and carriage return */
  push(text: string): string;
}

type State = "text" | "escape" | "intermediate" | "csi" | "string" | "string-escape";

/** Longest sequence in characters; what follows is text again. */
const longestSequence = 64 * 1024;
const [tab, lineFeed, carriageReturn, cancel, substitute, esc, bell] = [0x09, 0x0a, 0x0d, 0x18, 0x1a, 0x1b, 0x07];

/**
 * Reads ECMA-48, in time proportional to the text:
 *
 * - text → escape at ESC; → csi at U+009B; → string at U+0090, 98, 9D, 9E, 9F (DCS, SOS, OSC, PM, APC); other control characters are removed
 * - escape → csi at `[`; → string at `P X ] ^ _`; → intermediate at 20–2F; → text after any other of 30–7E
 * - intermediate → text after one of 30–7E
 * - csi → text after one of 40–7E
 * - string → text after BEL or U+009C; → string-escape at ESC
 * - string-escape → text after `\`; else it is an escape of its own
 *
 * A character that can't be part of a sequence ends it and is read as text. CAN and SUB end it too, and are removed. A line feed ends a string, so that one line can't hide the next.
 */
export function createEscapeFilter(): EscapeFilter {
  let state: State = "text";
  let length = 0;

  const begin = (next: State) => {
    state = next;
    length = 0;
  };
  /** @returns whether the character is a part of the sequence, and not text */
  const isTaken = (code: number): boolean => {
    length += 1;
    switch (state) {
      case "text":
        return isTakenByText(code);
      case "escape":
        return isTakenByEscape(code);
      case "intermediate":
        if (code >= 0x20 && code <= 0x2f) return stays();
        if (code >= 0x30 && code <= 0x7e) return ends();
        return isTakenAsText(code);
      case "csi":
        if (code >= 0x20 && code <= 0x3f) return stays();
        if (code >= 0x40 && code <= 0x7e) return ends();
        return isTakenAsText(code);
      case "string":
        if (code === esc) {
          state = "string-escape";
          return true;
        }
        if (code === bell || code === 0x9c) return ends();
        if (code === lineFeed || code === cancel || code === substitute) return isTakenAsText(code);
        return code >= 0x80 && code <= 0x9f ? isTakenAsText(code) : stays();
      case "string-escape":
        if (code === 0x5c) return ends();
        begin("escape");
        return isTakenByEscape(code);
    }
  };
  const isTakenByText = (code: number): boolean => {
    if (code === esc) begin("escape");
    else if (code === 0x9b) begin("csi");
    else if (isStart(code)) begin("string");
    else if (code === tab || code === lineFeed || code === carriageReturn) return false;
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
  };
  const isTakenByEscape = (code: number): boolean => {
    if (code === 0x5b) begin("csi");
    else if (code === 0x50 || code === 0x58 || (code >= 0x5d && code <= 0x5f)) begin("string");
    else if (code >= 0x20 && code <= 0x2f) state = "intermediate";
    else if (code >= 0x30 && code <= 0x7e) begin("text");
    else return isTakenAsText(code);
    return true;
  };
  const isTakenAsText = (code: number): boolean => {
    begin("text");
    return isTakenByText(code);
  };
  const ends = (): boolean => {
    begin("text");
    return true;
  };
  const stays = (): boolean => {
    if (length > longestSequence) begin("text");
    return state !== "text";
  };

  return {
    push(text) {
      let shown = "";
      let from = 0;
      for (let at = 0; at < text.length; at += 1) {
        if (!isTaken(text.charCodeAt(at))) continue;
        if (at > from) shown += text.slice(from, at);
        from = at + 1;
      }
      return shown + text.slice(from);
    },
  };
}

/** Whether a C1 character begins a string: DCS, SOS, OSC, PM or APC. */
function isStart(code: number): boolean {
  return code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f);
}

/** A text that any store and terminal can take: without escape sequences, control characters other than tab and line feed, and half characters. */
export function withoutEscapes(text: string): string {
  return createEscapeFilter().push(text).replaceAll("\r", "").toWellFormed();
}
