/** What stands where a secret was. */
export const redacted = "[redacted]";
/** A shorter value would blacken ordinary words. */
const shortestSecret = 6;

/** Redacts one stream of bytes; what may be the beginning of a secret is kept back until the next chunk tells. */
export interface StreamRedactor {
  push(chunk: Buffer): Buffer;
  /** Gives what was kept back, and the last chunk. */
  end(chunk?: Buffer): Buffer;
}

export interface Redactor {
  /** A text by itself. */
  text(text: string): string;
  stream(): StreamRedactor;
}

/**
 * Finds known secrets as they are, and as base64 (plain or for URLs, wherever a group of three bytes begins), in URLs and in JSON, and puts `[redacted]` in their place.
 * Whatever is divided into chunks, the result is that of the whole. A program that wants to hide a secret from it can: it guards against mistakes.
 * @param secrets - values of fewer than 6 characters are passed by
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

/** The characters that bytes decide alone when so many others (0–2) come before them in their group of three. */
function base64Of(bytes: Buffer, before: number): string {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
  return encoded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.byteLength) * 4) / 3));
}

/**
 * A byte is covered when it is part of any form; each run of covered bytes becomes one mark. Whether a byte is covered is decided as soon as no form that begins at or before it can
 * still be completed: everything from the earliest unfinished form on is kept back.
 */
function createStream(forms: readonly string[]): StreamRedactor {
  const longest = Math.max(0, ...forms.map(({ length }) => length));
  let kept = "";
  /** How much of `kept` is covered by what began before it. */
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
