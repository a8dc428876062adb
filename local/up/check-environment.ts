import { join } from "node:path";
import { requireRunningStack } from "./running-stack.ts";
import { folderOf } from "./state-folder.ts";

/** What `automation check` is told of a running stack. @throws CliError 3 when none is running */
export function checkEnvironment(from: string, dir: string | undefined): Record<string, string> {
  const stack = requireRunningStack(from, dir);
  const postgres = new URL(stack.postgres.url);
  postgres.username = "automation_check";
  postgres.password = "";
  return {
    AUTOMATION_POSTGRES_URL: postgres.href,
    AUTOMATION_POSTGRES_PASSWORD_FILE: join(folderOf(stack.dir).passwords, "check"),
  };
}
