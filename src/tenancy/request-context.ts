/** Who calls, and for which tenant and org: from the verified token and the two scope headers, never from a request body. */
export interface Principal {
  readonly tenant: string;
  readonly org: string;
  /** The token's subject. */
  readonly subject: string;
  readonly roles: readonly string[];
}
