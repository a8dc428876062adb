import type { SecretFiles } from "../../../src/config/secret-files.ts";
import { createSecretFiles } from "../../../src/config/secret-files.ts";
import { openFileSigner } from "../../../src/drivers/signing/file-signer.ts";

/** The keys of a folder, as the api opens them. @param told - gets what is said about files that can't be used */
export function openKeys(dir: string, told: string[] = []): ReturnType<typeof openFileSigner> {
  const secrets: SecretFiles = createSecretFiles((_, why) => told.push(why));
  return openFileSigner(dir, (purpose, file, parse) =>
    secrets.open(`signing-${purpose}`, [file], ([pem = ""]) => parse(pem)),
  );
}
