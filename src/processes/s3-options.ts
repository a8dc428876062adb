import type { Environment } from "../config/environment.ts";
import type { S3Options } from "../drivers/s3/s3.ts";

/** Address, bucket and credentials of the object store. */
export function s3OptionsOf(environment: Environment<"api"> | Environment<"migrate">): S3Options {
  return {
    endpoint: environment.AUTOMATION_S3_ENDPOINT,
    region: environment.AUTOMATION_S3_REGION,
    bucket: environment.AUTOMATION_S3_BUCKET,
    accessKeyId: environment.AUTOMATION_S3_ACCESS_KEY_ID,
    secretAccessKey: environment.AUTOMATION_S3_SECRET_ACCESS_KEY,
  };
}
