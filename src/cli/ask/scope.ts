import type { Command } from "commander";
import { Option } from "commander";
import { isName, namePattern } from "../../text/name.ts";
import { CliError } from "../cli-error.ts";
import { loadLocalPart } from "../local-part.ts";

export type Role = "viewer" | "operator" | "admin" | "worker" | "platform";

/** The options that `withScope` adds, as commander hands them to an action. */
export interface ScopeOptions {
  tenant?: string;
  org?: string;
  token?: string;
  apiUrl?: string;
  state?: string;
  json?: boolean;
}

/** Who asks, for whom, and where. */
export interface Scope {
  tenant: string;
  org: string;
  token: string;
  apiUrl: string;
  json: boolean;
}

/** Adds --tenant, --org, --token, --api-url, --state and --json. */
export function withScope(command: Command): Command {
  return withAccess(withTenant(command));
}

/** Adds --token, --api-url, --state and --json. */
export function withAccess(command: Command): Command {
  return command
    .addOption(new Option("--token <jwt>", "bearer token; else one from the local stack").env("AUTOMATION_TOKEN"))
    .addOption(new Option("--api-url <url>", "address of the api; else the local stack's").env("AUTOMATION_API_URL"))
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line");
}

/** Adds --tenant and --org. */
export function withTenant(command: Command): Command {
  return command
    .addOption(new Option("--tenant <tenant>", "tenant of the call").env("AUTOMATION_TENANT").makeOptionMandatory())
    .addOption(
      new Option("--org <org>", "org of the call; `*` reads every org of the tenant")
        .env("AUTOMATION_ORG")
        .makeOptionMandatory(),
    );
}

/**
 * There is no default tenant or org.
 * @param how.everyOrg - whether org may be `*`: the api then reads those of every org of the tenant
 * @throws CliError 2 when one is missing or malformed
 */
export function requireTenant(
  { tenant = "", org = "" }: Pick<ScopeOptions, "tenant" | "org">,
  { everyOrg = false } = {},
): { tenant: string; org: string } {
  const refuse = (option: string, value: string, also: string): never => {
    const message = `--${option} ${JSON.stringify(value)} must match ${namePattern.source}${also}`;
    throw new CliError(2, message, { code: "usage" });
  };
  if (!isName(tenant)) refuse("tenant", tenant, "");
  if (!isName(org) && !(everyOrg && org === "*")) refuse("org", org, everyOrg ? ", or be *" : "");
  return { tenant, org };
}

/** Tenant and org in a token of role `platform`, which is for no tenant. */
export const noTenant = { tenant: "*", org: "*" };

/** @returns tenant and org that a token of the role is for */
export function tenantFor(role: Role, options: Pick<ScopeOptions, "tenant" | "org">): { tenant: string; org: string } {
  return role === "platform" ? noTenant : requireTenant(options, { everyOrg: true });
}

/**
 * Resolves tenant, org, token and api. Without --token, the local stack issues a token with `role` for the user of this machine.
 * @throws CliError 2 missing or malformed option · 3 no api address and no local stack, or it does not run
 */
export async function resolveScope(options: ScopeOptions, role: Role): Promise<Scope> {
  const { tenant, org } = tenantFor(role, options);
  const local =
    options.apiUrl === undefined || options.token === undefined ? await findLocal(options.state) : undefined;
  const apiUrl = options.apiUrl ?? local?.apiUrl;
  if (apiUrl === undefined) {
    throw new CliError(
      3,
      "no local stack is running; start one with `automation up`, or give --api-url URL (AUTOMATION_API_URL)",
    );
  }
  assertApiUrl(apiUrl);
  if (options.token !== undefined) assertToken(options.token);
  if (options.token === undefined && local === undefined) {
    throw new CliError(
      2,
      "--token is required with --api-url when no local stack is running: give --token JWT or set AUTOMATION_TOKEN",
    );
  }
  const token = options.token ?? (await local?.mint({ tenant, org, role })) ?? "";
  return { tenant, org, token, apiUrl, json: options.json === true };
}

/** @returns the api of the running local stack, and a function that gets tokens from its issuer */
async function findLocal(dir: string | undefined) {
  const { findRunningStack } = await loadLocalPart(
    () => import("../../../local/up/running-stack.ts"),
    "give --api-url URL and --token JWT",
  );
  const stack = findRunningStack(process.cwd(), dir);
  if (stack === undefined) return undefined;
  const mint = async (whom: { readonly tenant: string; readonly org: string; readonly role: Role }) => {
    const { mintToken, userName } = await import("../../../local/issuer/mint-token.ts");
    return await mintToken(stack, { ...whom, subject: userName() });
  };
  return { apiUrl: stack.api.url, mint };
}

function assertApiUrl(apiUrl: string): void {
  const said = `--api-url ${JSON.stringify(apiUrl)}`;
  const refuse = (rule: string, example: string) =>
    new CliError(2, `${said} ${rule}`, { code: "usage", remedy: `for example ${example}` });
  const url = URL.canParse(apiUrl) ? new URL(apiUrl) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    const guess = /^[\w.[\]:-]+$/.test(apiUrl) && URL.canParse(`http://${apiUrl}`) ? `http://${apiUrl}` : undefined;
    throw refuse("must be a URL with http:// or https://", guess ?? "http://127.0.0.1:8080");
  }
  if (url.username !== "" || url.search !== "" || url.hash !== "")
    throw refuse("must hold no user, query or fragment", url.origin);
}

/** Checks only that a header can carry the token; whether it is valid is decided by the api. */
function assertToken(token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return;
  const what = token === "" ? "is empty" : "holds a space, a line end or what is not ASCII";
  const remedy = "give it as it was issued, in one piece; `automation token` makes one for a local stack";
  throw new CliError(2, `--token (AUTOMATION_TOKEN) ${what}`, { code: "usage", remedy });
}
