import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { JWK } from "jose";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { createAuthenticator, IssuerUnreachableError, UnauthenticatedError } from "./authenticate.ts";

/** A real issuer on its own port, whose keys and presence a test decides. */
async function startIssuer() {
  const keys: JWK[] = [];
  const fetched: string[] = [];
  let named = "";
  const open = (port: number) =>
    new Promise<Server>((done) => {
      const server = createServer((request, response) => {
        fetched.push(request.url ?? "");
        const body = request.url === "/jwks" ? { keys } : { issuer: named, jwks_uri: `${url}/jwks` };
        response.end(JSON.stringify(body));
      });
      server.listen(port, "127.0.0.1", () => done(server));
    });
  let server = await open(0);
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  named = url;
  const close = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return {
    url,
    fetched,
    close,
    name: (issuer: string) => {
      named = issuer;
    },
    reopen: async () => {
      server = await open(port);
    },
    /** Adds a key. @returns the header that a holder of it sends, whose token claims more, or other things, when told */
    async issue(kid: string, alg = "EdDSA", claims: object = {}): Promise<string> {
      const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
      keys.push({ ...(await exportJWK(publicKey)), kid, alg });
      const usual = { iss: url, aud: "automation", sub: "paula", exp: Math.floor(Date.now() / 1_000) + 3_600 };
      const scope = { tenants: ["acme"], orgs: ["retail"], roles: ["viewer"] };
      const jwt = await new SignJWT({ ...usual, ...scope, ...claims })
        .setProtectedHeader({ alg, kid })
        .sign(privateKey);
      return `Bearer ${jwt}`;
    },
  };
}

let issuer: Awaited<ReturnType<typeof startIssuer>>;
afterEach(() => issuer.close());
const now = () => new Date();

describe("the authenticator", () => {
  it.each(["EdDSA", "ES256", "RS256"])("believes a token that the issuer signed with %s", async (algorithm) => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1", algorithm);
    const identity = await createAuthenticator({ issuer: issuer.url, now }).authenticate(header);
    expect(identity).toMatchObject({ subject: "paula", tenants: ["acme"], orgs: ["retail"], roles: ["viewer"] });
    expect(identity.expiresAt.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
  });

  it("reads the issuer's keys once for many calls, and goes on with them when the issuer is away", async () => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1");
    const { authenticate } = createAuthenticator({ issuer: issuer.url, now });
    await Promise.all(Array.from({ length: 20 }, () => authenticate(header)));
    expect(issuer.fetched).toEqual(["/.well-known/openid-configuration", "/jwks"]);
    await issuer.close();
    expect((await authenticate(header)).subject).toBe("paula");
  });

  it("says that the issuer can't be read while it was never there, and recovers", async () => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1");
    await issuer.close();
    const { authenticate } = createAuthenticator({ issuer: issuer.url, now });
    await expect(authenticate(header)).rejects.toThrow(IssuerUnreachableError);
    await issuer.reopen();
    expect((await authenticate(header)).subject).toBe("paula");
  });

  it("trusts no discovery document of another issuer", async () => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1");
    issuer.name("https://elsewhere.example");
    await expect(createAuthenticator({ issuer: issuer.url, now }).authenticate(header)).rejects.toThrow(
      IssuerUnreachableError,
    );
  });

  it("allows clocks to differ by half a minute, and no more", async () => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1");
    const at = (ms: number) => createAuthenticator({ issuer: issuer.url, now: () => new Date(Date.now() + ms) });
    expect((await at(3_600_000 + 20_000).authenticate(header)).subject).toBe("paula");
    await expect(at(3_600_000 + 40_000).authenticate(header)).rejects.toThrow(UnauthenticatedError);
  });

  it.each([
    [
      "sub",
      [undefined, null, 5, true, "", ["paula"], { name: "paula" }, "x".repeat(201), "pau\u0000la", "pau\u202ela"],
    ],
    [
      "tenants",
      [undefined, null, "acme", 5, [5], [null], [["acme"]], [""], ["x".repeat(201)], ["ac\u001bme"], { 0: "acme" }],
    ],
    ["orgs", [undefined, "retail", [{}]]],
    ["roles", [undefined, "viewer", ["viewer", 5]]],
    ["exp", [undefined, null, "soon", [1], {}]],
    ["aud", [undefined, null, 5, {}, ["another"]]],
    ["iss", [undefined, null, 5, {}, "https://elsewhere.example"]],
    ["nbf", ["now", {}]],
    ["iat", ["now", {}]],
  ])("refuses a token whose claim %s is not of its kind, and names the claim", async (claim, values) => {
    issuer = await startIssuer();
    for (const [n, value] of values.entries()) {
      const header = await issuer.issue(`k${n}`, "EdDSA", { [claim]: value });
      const refused = createAuthenticator({ issuer: issuer.url, now }).authenticate(header);
      await expect(refused, JSON.stringify(value)).rejects.toThrow(UnauthenticatedError);
      await expect(refused, JSON.stringify(value)).rejects.toThrow(`claim "${claim}"`);
    }
  });

  it("reads a token without a foreseeable end as one that lasts to the end of time", async () => {
    issuer = await startIssuer();
    const header = await issuer.issue("k1", "EdDSA", { exp: 1e300 });
    const { expiresAt } = await createAuthenticator({ issuer: issuer.url, now }).authenticate(header);
    expect(expiresAt.getTime()).toBe(8.64e15);
  });
});
