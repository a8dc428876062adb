import { join } from "node:path";
import { busEnvironment } from "./engines.ts";
import type { RunningStack } from "./running-stack.ts";
import { requireRunningStack } from "./running-stack.ts";
import { folderOf } from "./state-folder.ts";

/** What `automation check` and `automation sweep` are told of a running stack. @throws CliError 3 when none is running */
export function checkEnvironment(from: string, dir: string | undefined): Record<string, string> {
  const stack = requireRunningStack(from, dir);
  return {
    ...postgresOf(stack, "check"),
    AUTOMATION_S3_ENDPOINT: stack.s3.endpoint,
    AUTOMATION_S3_REGION: stack.s3.region,
    AUTOMATION_S3_BUCKET: stack.s3.bucket,
    AUTOMATION_S3_CREDENTIALS_DIR: folderOf(stack.dir).s3Credentials,
  };
}

/** What `automation republish` is told of a running stack. @throws CliError 3 when none is running */
export function relayEnvironment(from: string, dir: string | undefined): Record<string, string> {
  const stack = requireRunningStack(from, dir);
  return {
    ...postgresOf(stack, "relay"),
    ...busEnvironment(stack),
  };
}

function postgresOf({ dir, postgres: { url } }: RunningStack, role: "check" | "relay"): Record<string, string> {
  const postgres = new URL(url);
  postgres.username = `automation_${role}`;
  postgres.password = "";
  return {
    AUTOMATION_POSTGRES_URL: postgres.href,
    AUTOMATION_POSTGRES_PASSWORD_FILE: join(folderOf(dir).passwords, role),
  };
}
