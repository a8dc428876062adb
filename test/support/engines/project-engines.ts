import type { TestProject } from "vitest/node";
import { faultsOfServer } from "../probes/event-faults.ts";
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

/**
 * Set-up of a project whose files share one Postgres and one S3; `borrowEngines` gives each file a database and a bucket of its own there.
 * In the end every event that they made for the bus is held against its schema in docs/events.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { postgres, s3, stop } = await startEngines({ postgres: true, s3: true });
  await makeTemplate(postgres.url);
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  project.provide("projectEngines", {
    postgresUrl: postgres.url,
    s3: { endpoint, region, accessKeyId, secretAccessKey },
  });
  return async () => {
    try {
      const { seen, faults } = await faultsOfServer(postgres.url);
      if (faults.length > 0)
        throw new Error(
          `of ${seen} events, ${faults.length} do not keep to docs/events:\n${faults.slice(0, 5).join("\n")}`,
        );
    } finally {
      await stop();
    }
  };
}
