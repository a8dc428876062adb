/** Replaces a secret. */
export const redacted = "[redacted]";
/** Shorter values are not redacted: they occur in ordinary words. */
const shortestSecret = 6;

/** Redacts one stream of bytes. Bytes that may be the beginning of a secret are held back until the next chunk. */
export interface StreamRedactor {
  push(chunk: Buffer): Buffer;
  /** Gives what was held back, and the last chunk. */
  end(chunk?: Buffer): Buffer;
}

export interface Redactor {
  /** Redacts one text. */
  text(text: string): string;
  stream(): StreamRedactor;
}

/**
 * Replaces known secrets by `[redacted]`: as they are, as base64 (standard and URL alphabet, at any offset), URL-encoded and JSON-escaped.
 * The division into chunks does not change the result. It guards against mistakes: a program that wants to leak a secret can encode it in another way.
 * @param secrets - values of fewer than 6 characters are ignored
 */
export function createRedactor(secrets: readonly string[]): Redactor {
  const forms = [...new Set(secrets.filter(({ length }) => length >= shortestSecret).flatMap(formsOf))];
  const stream = () => createStream(forms);
  return {
    stream,
    text: (text) => (forms.length === 0 ? text : stream().end(Buffer.from(text)).toString()),
  };
}

/** Bytes as latin1: one character each. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const ascii = json.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const url = encodeURIComponent(secret.toWellFormed());
  const base64 = [0, 1, 2].map((before) => base64Of(Buffer.from(secret), before));
  return [
    secret,
    ...[json, ascii].flatMap((text) => [text, text.replaceAll("/", "\\/")]),
    ...[url, url.replaceAll("%20", "+")].flatMap((text) => [text, text.replace(/%../g, (code) => code.toLowerCase())]),
    ...base64.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]),
  ].map((form) => Buffer.from(form).toString("latin1"));
}

/** The part of a base64 text that depends on these bytes alone, when `before` (0–2) other bytes come before them in a group of three. */
function base64Of(bytes: Buffer, before: number): string {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
  return encoded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.byteLength) * 4) / 3));
}

/**
 * A byte is covered when it is part of any form; each run of covered bytes becomes one mark. Whether a byte is covered is decided as soon as no form that begins at or before it can
 * still be completed: everything from the earliest unfinished form on is held back.
 */
function createStream(forms: readonly string[]): StreamRedactor {
  const longest = Math.max(0, ...forms.map(({ length }) => length));
  let kept = "";
  /** How many characters of `kept` are covered by a form that began before it. */
  let coveredUntil = 0;
  let isInMark = false;

  const unfinishedAt = (text: string): number => {
    for (let at = Math.max(0, text.length - longest + 1); at < text.length; at += 1) {
      const tail = text.slice(at);
      if (forms.some((form) => form.length > tail.length && form.startsWith(tail))) return at;
    }
    return text.length;
  };

  const take = (text: string, decided: number): Buffer => {
    const finds = forms
      .flatMap((form) => findAll(text, form, decided).map((from) => ({ from, to: from + form.length })))
      .sort((a, b) => a.from - b.from);
    let shown = "";
    let covered = coveredUntil;
    let at = 0;
    const show = (until: number) => {
      if (covered > at) {
        if (!isInMark) shown += redacted;
        isInMark = true;
        at = Math.min(covered, until);
      }
      if (until > at) {
        shown += text.slice(at, until);
        isInMark = false;
        at = until;
      }
    };
    for (const { from, to } of finds) {
      if (from > covered) show(from);
      covered = Math.max(covered, to);
    }
    show(decided);
    kept = text.slice(decided);
    coveredUntil = Math.max(0, covered - decided);
    return Buffer.from(shown, "latin1");
  };

  return {
    push: (chunk) => {
      if (forms.length === 0) return chunk;
      const text = kept + chunk.toString("latin1");
      return take(text, unfinishedAt(text));
    },
    end: (chunk) => {
      const text = kept + (chunk?.toString("latin1") ?? "");
      return take(text, text.length);
    },
  };
}

/** Every place below `end` where a form begins, overlapping ones too. */
function findAll(text: string, form: string, end: number): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(form); at >= 0 && at < end; at = text.indexOf(form, at + 1)) found.push(at);
  return found;
}
