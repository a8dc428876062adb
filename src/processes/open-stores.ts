import { readEnvironment } from "../config/environment.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { createSnapshots } from "../drivers/postgres/in-scope.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import { createS3 } from "../drivers/s3/s3.ts";
import { databaseLoginOf } from "./database-login.ts";
import { s3OptionsOf } from "./s3-options.ts";

/** What a command for operators works on: the database, to read, and the object store if the environment names one. */
export function openStores(source: NodeJS.ProcessEnv) {
  const secrets = createSecretFiles(() => undefined); // what becomes unusable later is of no matter to a process that ends
  const login = databaseLoginOf(readEnvironment("check", source), secrets);
  const objects =
    source.AUTOMATION_S3_ENDPOINT === undefined
      ? undefined
      : createS3(s3OptionsOf(readEnvironment("objects", source), secrets));
  const pool = createPool({ ...login, applicationName: "automation-check", max: 2, onError: () => undefined });
  return {
    snapshot: createSnapshots(pool),
    objects,
    close: async () => {
      objects?.close();
      await pool.end();
    },
  };
}
