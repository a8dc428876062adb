interface SecretPattern {
  /** For people: what was found, never its text. */
  readonly kind: string;
  /** Linear in the length of a line, however long: repeats are bounded or begin where no token can be under way. */
  readonly pattern: RegExp;
  /** Says of the first group whether it only stands for a secret. */
  readonly isPlaceholder?: (value: string) => boolean;
}

/** Forms are those that the issuers document; the last two are guesses, and so leave out what looks like an example. */
const patterns: readonly SecretPattern[] = [
  { kind: "private key", pattern: /-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----/ },
  { kind: "AWS access key", pattern: /(?<!\w)(?:AKIA|ASIA)[A-Z2-7]{16}(?!\w)/ },
  {
    kind: "AWS secret key",
    pattern: /aws_?secret_?(?:access_?)?key["']?\s{0,9}[:=]\s{0,9}["']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])/i,
  },
  { kind: "GitHub token", pattern: /(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})/ },
  { kind: "GitLab token", pattern: /(?<![\w-])gl(?:pat|ptt|dt|rt)-[\w-]{20}/ },
  { kind: "Slack token", pattern: /(?<![\w-])xox[abeoprs]-[A-Za-z0-9-]{10}/ },
  { kind: "Google API key", pattern: /(?<![\w-])AIza[\w-]{35}(?![\w-])/ },
  { kind: "npm token", pattern: /(?<!\w)npm_[A-Za-z0-9]{36}(?!\w)/ },
  { kind: "Stripe key", pattern: /(?<!\w)[rs]k_live_[A-Za-z0-9]{20}/ },
  { kind: "model provider's key", pattern: /(?<![\w-])sk-(?:(?:ant|proj|svcacct)-[\w-]{20}|[A-Za-z0-9]{40})/ },
  { kind: "JSON Web Token", pattern: /(?<![\w-])eyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10}/ },
  {
    kind: "password in a URL",
    pattern: /(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@"'`]{1,100}:([^\s/:@"'`]{8,200})@/i,
    isPlaceholder,
  },
  {
    kind: "password or key in quotes",
    pattern:
      /(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token)["']?\s{0,9}(?::|=|:=|=>)\s{0,9}["'`]([^"'`\s]{8,200})["'`]/i,
    isPlaceholder,
  },
];

/** @returns what kind of secret a line seems to hold */
export function findSecret(text: string): string | undefined {
  return patterns.find(({ pattern, isPlaceholder: standsIn }) => {
    const found = pattern.exec(text);
    return found !== null && !(standsIn?.(found[1] ?? "") ?? false);
  })?.kind;
}

/** Words, examples and references to where the secret really is; what is guessed mixes letters and digits. */
function isPlaceholder(value: string): boolean {
  if (!/\d/.test(value) || !/[a-z]/i.test(value)) return true;
  if (/[$<{%]/.test(value)) return true;
  return /example|changeme|change-me|placeholder|dummy|sample|test|your[_-]|redacted|x{4}|\*{3}|\.{3}|^(.)\1+$/i.test(
    value,
  );
}
