import type { JWTPayload, JWTVerifyGetKey, RemoteJWKSet } from "jose";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { visible } from "../text/strangers-text.ts";

/** The call has no token, or one that is not valid. */
export class UnauthenticatedError extends Error {
  override readonly name = "UnauthenticatedError";
  readonly code = "unauthenticated";
}

/** The issuer's keys can't be read, so no token can be verified. */
export class IssuerUnreachableError extends Error {
  override readonly name = "IssuerUnreachableError";
  readonly code = "issuer_unreachable";
  constructor(issuer: string, options: ErrorOptions) {
    super(`the keys of the token issuer ${issuer} can't be read; try again`, options);
  }
}

/** The claims of a verified token. */
export interface Identity {
  readonly subject: string;
  readonly tenants: readonly string[];
  readonly orgs: readonly string[];
  readonly roles: readonly string[];
  readonly expiresAt: Date;
}

export interface Authenticator {
  /**
   * @param authorization - the header of that name
   * @throws UnauthenticatedError, IssuerUnreachableError
   */
  authenticate(authorization: string | null): Promise<Identity>;
}

const audience = "automation";
const algorithms = ["EdDSA", "ES256", "RS256"];
/** Tolerated difference of clocks. */
const leewaySeconds = 30;
const fetchLimitMs = 2_000;

/**
 * Verifies tokens of one OpenID issuer. Its keys are found by discovery and cached for 10 minutes; an unknown key id makes it fetch them again, at most every 30 s.
 * @param deps.issuer - exactly as in `iss`
 */
export function createAuthenticator(deps: { readonly issuer: string; readonly now: () => Date }): Authenticator {
  const { issuer } = deps;
  let found: Promise<RemoteJWKSet> | undefined;
  const keySet = (): Promise<RemoteJWKSet> => {
    found ??= discover(issuer).catch((error: unknown) => {
      found = undefined;
      throw new IssuerUnreachableError(issuer, { cause: error });
    });
    return found;
  };
  const getKey: JWTVerifyGetKey = async (header, token) => {
    const keys = await keySet();
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      throw new IssuerUnreachableError(issuer, { cause: error });
    }
  };

  return {
    async authenticate(authorization) {
      const [scheme = "", token = "", ...rest] = (authorization ?? "").split(" ");
      if (scheme.toLowerCase() !== "bearer" || token === "" || rest.length > 0)
        throw new UnauthenticatedError("a token is required: send the header `authorization: Bearer <token>`");
      try {
        const { payload } = await jwtVerify(token, getKey, {
          issuer,
          audience,
          algorithms,
          clockTolerance: leewaySeconds,
          currentDate: deps.now(),
          requiredClaims: ["exp", "sub"],
        });
        return readIdentity(payload);
      } catch (error) {
        if (error instanceof errors.JOSEError) throw new UnauthenticatedError(faultOf(error, issuer), { cause: error });
        throw error;
      }
    },
  };
}

async function discover(issuer: string): Promise<RemoteJWKSet> {
  const answer = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    redirect: "error",
    signal: AbortSignal.timeout(fetchLimitMs),
  });
  if (!answer.ok) throw new Error(`discovery answered ${answer.status}`);
  const document: unknown = await answer.json();
  if (typeof document !== "object" || document === null || !("issuer" in document) || !("jwks_uri" in document))
    throw new Error("the discovery document names no issuer or no jwks_uri");
  if (document.issuer !== issuer) throw new Error(`the discovery document is of issuer ${String(document.issuer)}`);
  return createRemoteJWKSet(new URL(String(document.jwks_uri)), { timeoutDuration: fetchLimitMs });
}

/** Largest time of a Date, in seconds since 1970. */
const endOfTimeSeconds = 8.64e12;

/** @throws UnauthenticatedError */
function readIdentity(payload: JWTPayload): Identity {
  const { exp = 0 } = payload;
  const sub: unknown = payload.sub; // jose only checks that it is there
  if (!isName(sub)) throw malformed("sub", "1 to 200 characters of text");
  const names = (claim: string): string[] => {
    const value = payload[claim];
    if (!Array.isArray(value) || !value.every(isName)) throw malformed(claim, "a list of names");
    return value;
  };
  return {
    subject: sub,
    tenants: names("tenants"),
    orgs: names("orgs"),
    roles: names("roles"),
    expiresAt: new Date(Math.min(exp, endOfTimeSeconds) * 1_000),
  };
}

/** @returns whether a value can be shown as a name in audit entries and errors: only visible characters */
function isName(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= 200 && visible(value) === value;
}

function malformed(claim: string, rule: string): UnauthenticatedError {
  return new UnauthenticatedError(`the token's claim "${claim}" must be ${rule}; get a token from the issuer`);
}

function faultOf(error: errors.JOSEError, issuer: string): string {
  if (error instanceof errors.JWTExpired) return "the token has expired; get a new one from the issuer";
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's claim "${error.claim}" is not what this service accepts (issuer ${issuer}, audience ${audience}): ${error.message}`;
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey)
    return `the token is not signed by a key of issuer ${issuer}; get a new one there`;
  return `the token is not a JWT signed with one of ${algorithms.join(", ")}; get one from issuer ${issuer}`;
}
