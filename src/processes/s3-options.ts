import { join } from "node:path";
import type { Environment } from "../config/environment.ts";
import type { SecretFiles } from "../config/secret-files.ts";
import { oneLine } from "../config/secret-files.ts";
import type { S3Options } from "../drivers/s3/s3.ts";

const files = ["access-key-id", "secret-access-key"];

/** Address, bucket and credentials of the object store. @throws UnusableSecretError */
export function s3OptionsOf(environment: Environment<"objects">, secrets: SecretFiles): S3Options {
  const paths = files.map((file) => join(environment.AUTOMATION_S3_CREDENTIALS_DIR, file));
  return {
    endpoint: environment.AUTOMATION_S3_ENDPOINT,
    region: environment.AUTOMATION_S3_REGION,
    bucket: environment.AUTOMATION_S3_BUCKET,
    credentials: secrets.open("object-store", paths, ([id = "", key = ""]) => ({
      accessKeyId: oneLine([id]),
      secretAccessKey: oneLine([key]),
    })),
  };
}
