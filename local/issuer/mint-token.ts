import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { CliError } from "../../src/cli/cli-error.ts";
import type { RunningStack } from "../up/running-stack.ts";

/** @returns the user of this machine; one without an account by its number */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.()}`;
  }
}

export interface TokenRequest {
  /** `*` with role `worker`, which speaks for all of them, and `platform`, which speaks for none. */
  tenant: string;
  org: string;
  role: string;
  subject: string;
}

/**
 * Asks the local issuer for a token that is valid for an hour.
 * @throws CliError 2 when the issuer refuses a field, 3 when it does not answer, 4 when it does not know us
 */
export async function mintToken(
  state: Pick<RunningStack, "dir" | "issuer">,
  request: TokenRequest,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<string> {
  const secret = readFileSync(join(state.dir, "issuer", "client-secret"), "utf8").trim();
  let response: Response;
  try {
    response = await fetch(`${state.issuer.url}/token`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body: new URLSearchParams({ ...request }),
      signal,
    });
  } catch (cause) {
    throw new CliError(3, `the local issuer ${state.issuer.url} does not answer; is \`automation up\` running?`, {
      cause,
    });
  }
  const answer = (await response.json()) as { access_token?: string; error_description?: string };
  if (answer.access_token !== undefined) return answer.access_token;
  throw new CliError(
    response.status === 401 ? 4 : 2,
    answer.error_description ?? `the issuer answered ${response.status}`,
  );
}
