import type { TestProject } from "vitest/node";
import { makeTemplate } from "./database.ts";
import { startEngines } from "./engines.ts";

declare module "vitest" {
  interface ProvidedContext {
    projectEngines: {
      readonly postgresUrl: string;
      readonly s3: {
        readonly endpoint: string;
        readonly region: string;
        readonly accessKeyId: string;
        readonly secretAccessKey: string;
      };
    };
  }
}

/** Set-up of a project whose files share one Postgres and one S3; `borrowEngines` gives each file a database and a bucket of its own there. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { postgres, s3, stop } = await startEngines({ postgres: true, s3: true });
  await makeTemplate(postgres.url);
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  project.provide("projectEngines", {
    postgresUrl: postgres.url,
    s3: { endpoint, region, accessKeyId, secretAccessKey },
  });
  return stop;
}
