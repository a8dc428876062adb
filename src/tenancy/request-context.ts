/** Who asks, and for whom: taken from a verified token and the two scope headers, never from a body. */
export interface Principal {
  readonly tenant: string;
  readonly org: string;
  /** The token's subject. */
  readonly subject: string;
  readonly roles: readonly string[];
}
