import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/**
 * Reads a file with certificates.
 * @param variable - the variable that names it
 * @returns its text
 * @throws UnusableConfigurationError with the variable, the file, what is wrong and what to do: it is missing, holds no certificate, or the first one has expired
 */
export function readCertificates(variable: string, file: string): string {
  const text = readPem(variable, file);
  let first: X509Certificate;
  try {
    first = new X509Certificate(text);
  } catch (cause) {
    throw unusable(variable, file, "it holds no certificate in PEM", "name a file that begins with one", cause);
  }
  if (first.validToDate.getTime() < Date.now())
    throw unusable(variable, file, `its certificate expired at ${first.validToDate.toISOString()}`, "renew it");
  return text;
}

/** @throws UnusableConfigurationError when the file can't be read */
export function readPem(variable: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw unusable(variable, file, `it can't be read (${why})`, "name a file that this process may read", cause);
  }
}

function unusable(variable: string, file: string, why: string, remedy: string, cause?: unknown) {
  return new UnusableConfigurationError(`${variable} ${file} can't be used: ${why}; ${remedy}`, { cause });
}
