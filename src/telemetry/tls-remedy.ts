/** What TLS and SASL say when a connection can't be made (Node's OpenSSL, Temporal's rustls, Kafka's client), and what to do. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [
    /CERT_HAS_EXPIRED|certificate has expired|certificate expired|InvalidCertificate\(Expired/i,
    "the server's certificate has expired: renew it",
  ],
  [
    /ALTNAME_INVALID|does not match certificate|NotValidForName/i,
    "the server's certificate is for other hosts: use an address that is in it, or have it renewed with this one",
  ],
  [
    /self-signed certificate|unable to verify|unable to get (local )?issuer|UnknownIssuer|BadSignature|unknown ca\b/i,
    "the server's certificate is of an authority that is not trusted here: name the authority's file as CA file",
  ],
  [
    /wrong version number|packet length too long|InvalidContentType|corrupt message|disconnected before secure TLS/i,
    "the port does not speak TLS: use the server's TLS port, or turn TLS off",
  ],
  [
    /certificate required|CertificateRequired|bad certificate|BadCertificate|handshake failure/i,
    "the server wants a certificate from us: give one that its authority signed",
  ],
  [
    // a server of TLS 1.3 refuses after the client has begun to write, which then may not read why
    /hyper::Error\(Canceled, "connection closed"\)/,
    "the server ended the connection: if it wants a certificate from us, give one that its authority signed",
  ],
  [
    /SASL_AUTHENTICATION_FAILED|SASL authentication failed|invalid credentials/i,
    "the server refuses user or password: correct them, or the user's rights",
  ],
];

/** @returns what to do about a connection that failed for TLS or SASL; undefined for every other failure */
export function remedyOfConnection(error: unknown): string | undefined {
  const said = wordsOf(error, 8).join("\n");
  return remedies.find(([pattern]) => pattern.test(said))?.[1];
}

function wordsOf(error: unknown, depth: number): string[] {
  if (!(error instanceof Error) || depth === 0) return [String(error)];
  const code = "code" in error ? String(error.code) : "";
  const inner = error instanceof AggregateError ? error.errors : [];
  return [code, error.message, ...[error.cause, ...inner].flatMap((each) => (each ? wordsOf(each, depth - 1) : []))];
}
