import { userInfo } from "node:os";
import type { Command } from "commander";
import { Option } from "commander";
import { CliError } from "./cli-error.ts";
import type { LocalState, Role } from "./local-state.ts";
import { findLocalState, mintToken } from "./local-state.ts";

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
  /** The local stack, when one was found. */
  state: LocalState | undefined;
}

/** Adds --tenant, --org, --token, --api-url, --state and --json. */
export function withScope(command: Command): Command {
  return withTenant(command)
    .addOption(new Option("--token <jwt>", "bearer token; else one from the local stack").env("AUTOMATION_TOKEN"))
    .addOption(new Option("--api-url <url>", "address of the api; else the local stack's").env("AUTOMATION_API_URL"))
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line");
}

/** Adds --tenant and --org. */
export function withTenant(command: Command): Command {
  return command
    .addOption(new Option("--tenant <tenant>", "tenant to act for (required)").env("AUTOMATION_TENANT"))
    .addOption(
      new Option("--org <org>", "org to act for, `*` to read those of every org (required)").env("AUTOMATION_ORG"),
    );
}

const name = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** The api reads over every org of the tenant for `*`. */
export const orgOrEvery = /^(\*|[a-z0-9][a-z0-9-]{0,62})$/;

/**
 * There is no default tenant or org.
 * @throws CliError 2 when one is missing or malformed
 */
export function requireTenant(
  options: Pick<ScopeOptions, "tenant" | "org">,
  orgName = name,
): { tenant: string; org: string } {
  const need = (option: "tenant" | "org", rule: RegExp) => {
    const value = options[option];
    if (value === undefined || value === "") {
      throw new CliError(2, `--${option} is required: give --${option} NAME or set AUTOMATION_${option.toUpperCase()}`);
    }
    if (!rule.test(value)) throw new CliError(2, `--${option} "${value}" must match ${rule.source}`);
    return value;
  };
  return { tenant: need("tenant", name), org: need("org", orgName) };
}

/**
 * Resolves who asks. Without a token, one with `role` is minted by the local stack for the user of this machine.
 * @throws CliError 2 missing or malformed option · 3 no api address and no local stack, or it does not run
 */
export async function resolveScope(options: ScopeOptions, role: Role): Promise<Scope> {
  const { tenant, org } = requireTenant(options, orgOrEvery);
  const needsState = options.apiUrl === undefined || options.token === undefined;
  const state = needsState ? findLocalState(process.cwd(), options.state) : undefined;
  const apiUrl = options.apiUrl ?? state?.api.url;
  if (apiUrl === undefined) {
    throw new CliError(
      3,
      "no local stack is running; start one with `automation up`, or give --api-url URL (AUTOMATION_API_URL)",
    );
  }
  if (!URL.canParse(apiUrl))
    throw new CliError(2, `--api-url "${apiUrl}" must be a URL, for example http://127.0.0.1:8080`);
  if (options.token === undefined && state === undefined) {
    throw new CliError(
      2,
      "--token is required with --api-url when no local stack is running: give --token JWT or set AUTOMATION_TOKEN",
    );
  }
  const token =
    options.token ?? (state && (await mintToken(state, { tenant, org, role, subject: userInfo().username }))) ?? "";
  return { tenant, org, token, apiUrl, json: options.json === true, state };
}
