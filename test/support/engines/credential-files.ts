import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes secrets to files of a folder, as a mounted Secret has them. @returns the folder */
export function writeSecrets(folder: string, secrets: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, secret] of Object.entries(secrets)) writeFileSync(join(folder, name), secret, { mode: 0o600 });
  return folder;
}

/** Writes the credentials of an S3 server. @returns the folder */
export const writeS3Credentials = (
  folder: string,
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
): string =>
  writeSecrets(folder, {
    "access-key-id": credentials.accessKeyId,
    "secret-access-key": credentials.secretAccessKey,
  });
