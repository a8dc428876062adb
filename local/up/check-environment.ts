import { join } from "node:path";
import { requireRunningStack } from "./running-stack.ts";
import { folderOf } from "./state-folder.ts";

/** What `automation check` and `automation sweep` are told of a running stack. @throws CliError 3 when none is running */
export function checkEnvironment(from: string, dir: string | undefined): Record<string, string> {
  const stack = requireRunningStack(from, dir);
  const folder = folderOf(stack.dir);
  const postgres = new URL(stack.postgres.url);
  postgres.username = "automation_check";
  postgres.password = "";
  return {
    AUTOMATION_POSTGRES_URL: postgres.href,
    AUTOMATION_POSTGRES_PASSWORD_FILE: join(folder.passwords, "check"),
    AUTOMATION_S3_ENDPOINT: stack.s3.endpoint,
    AUTOMATION_S3_REGION: stack.s3.region,
    AUTOMATION_S3_BUCKET: stack.s3.bucket,
    AUTOMATION_S3_CREDENTIALS_DIR: folder.s3Credentials,
  };
}
