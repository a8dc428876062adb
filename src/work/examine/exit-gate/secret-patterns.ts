interface SecretPattern {
  /** For people: what was found, never its text. */
  readonly kind: string;
  /** Linear in the length of a line, however long: repeats are bounded or begin where no token can be under way. */
  readonly pattern: RegExp;
  /** Says of the first group, or of the whole when there is none, whether it only stands for a secret; `isDocumented` when absent. */
  readonly isPlaceholder?: (value: string) => boolean;
}

/** Forms are those that the issuers document; the last two are guesses, and so leave out more that looks like an example. */
const patterns: readonly SecretPattern[] = [
  { kind: "private key", pattern: /-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g },
  { kind: "AWS access key", pattern: /(?<!\w)(?:AKIA|ASIA)[A-Z2-7]{16}(?!\w)/g },
  {
    kind: "AWS secret key",
    pattern: /aws_?secret_?(?:access_?)?key["']?\s{0,9}[:=]\s{0,9}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])/gi,
  },
  { kind: "GitHub token", pattern: /(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,255})/g },
  { kind: "GitLab token", pattern: /(?<![\w-])gl(?:pat|ptt|dt|rt)-[\w-]{20,255}/g },
  { kind: "Slack token", pattern: /(?<![\w-])xox[abeoprs]-[A-Za-z0-9-]{10,255}/g },
  { kind: "Google API key", pattern: /(?<![\w-])AIza[\w-]{35}(?![\w-])/g },
  { kind: "npm token", pattern: /(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)/g },
  { kind: "Stripe key", pattern: /(?<!\w)[rs]k_live_[A-Za-z0-9]{20,255}/g },
  { kind: "model provider's key", pattern: /(?<![\w-])sk-(?:(?:ant|proj|svcacct)-[\w-]{20,255}|[A-Za-z0-9]{40,255})/g },
  { kind: "JSON Web Token", pattern: /(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10,1000}/g },
  {
    kind: "password in a URL",
    pattern: /(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"'`]{1,100}:([^\s/:@"'`]{8,200})@/gi,
    isPlaceholder: isGuessWrong,
  },
  {
    kind: "password or key in quotes",
    pattern:
      /(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token)["']?\s{0,9}(?::|=|:=|=>)\s{0,9}["'`]([^"'`\s]{8,200})["'`]/gi,
    isPlaceholder: isGuessWrong,
  },
];

/** @returns what kind of secret a line seems to hold */
export function findSecret(text: string): string | undefined {
  return patterns.find(({ pattern, isPlaceholder = isDocumented }) =>
    text.matchAll(pattern).some(([whole, inner]) => !isPlaceholder(inner ?? whole)),
  )?.kind;
}

/** Lines that are looked at together: most hold nothing, and one look is enough for that. Characters. */
const togetherUnits = 64 * 1024;

interface Line {
  readonly line: number;
  readonly text: string;
}

/** @returns each line that seems to hold a secret */
export function findSecretsInLines(lines: readonly Line[]): { readonly line: number; readonly kind: string }[] {
  const found: { line: number; kind: string }[] = [];
  for (let from = 0; from < lines.length; ) {
    let units = 0;
    let to = from;
    while (to < lines.length && units < togetherUnits) {
      units += (lines[to]?.text.length ?? 0) + 1;
      to += 1;
    }
    const together = lines.slice(from, to);
    const text = together.map((each) => each.text).join("\n");
    if (patterns.some(({ pattern }) => text.search(pattern) >= 0))
      for (const each of together) {
        const kind = findSecret(each.text);
        if (kind !== undefined) found.push({ line: each.line, kind });
      }
    from = to;
  }
  return found;
}

/** Of bytes that are looked at together, and how far the next look reaches back: longer than any secret, in two bytes a character. */
const togetherBytes = 1024 * 1024;
const backBytes = 32 * 1024;

/** @returns what kind of secret bytes seem to hold, as text of one byte a character or of two: UTF-16 of both orders, from an even or an odd place */
export function findSecretInBytes(bytes: Uint8Array): string | undefined {
  for (let from = 0; from < bytes.byteLength; from += togetherBytes - backBytes) {
    const kind = findSecretIn(bytes.subarray(from, from + togetherBytes));
    if (kind !== undefined) return kind;
  }
  return undefined;
}

function findSecretIn(bytes: Uint8Array): string | undefined {
  const padded = Buffer.concat([bytes, Buffer.alloc(1)]);
  return (
    findSecret(padded.toString("latin1")) ??
    findSecret(padded.toString("utf16le")) ??
    findSecret(padded.toString("utf16le", 1))
  );
}

/** What issuers print in their manuals, and what is filled in there: marked as an example, or a run of one character. */
function isDocumented(value: string): boolean {
  return (
    /example|(?<![a-z0-9])your[_-]|redacted|placeholder|(.)\1{7}/i.test(value) ||
    documented.some((each) => value.includes(each))
  );
}

/** Keys of issuers' documentation that nothing marks as such. */
const documented: readonly string[] = [
  "16C7e42F292c6912E7710c838347Ae178B4a", // docs.github.com, about authentication to GitHub
  "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", // jwt.io
  "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", // RFC 7519
  "not-a-real-token", // api.slack.com
];

/** Words, examples and references to where the secret really is; what is guessed mixes letters and digits. */
function isGuessWrong(value: string): boolean {
  if (!/\d/.test(value) || !/[a-z]/i.test(value)) return true;
  if (/[$<{%]/.test(value)) return true;
  return /example|changeme|change-me|placeholder|dummy|sample|test|your[_-]|redacted|x{4}|\*{3}|\.{3}|^(.)\1+$/i.test(
    value,
  );
}
