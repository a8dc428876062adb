import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An authority of a test, and certificates that it signs, as files of a folder. */
export interface Authority {
  /** The authority's certificate. */
  readonly caFile: string;
  /**
   * Signs a certificate.
   * @param names - hosts and addresses: `DNS:localhost,IP:127.0.0.1`
   * @param days - of its life; 0: it has expired at once
   * @returns its folder, with tls.crt and tls.key, and both in one as both.pem
   */
  sign(name: string, names: string, days?: number): string;
}

/** Makes an authority with openssl. */
export function makeAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-days",
    "2",
    "-subj",
    "/CN=test authority",
  );
  return {
    caFile: join(folder, "ca.crt"),
    sign: (name, names, days = 1) => {
      const own = join(folder, name);
      mkdirSync(own);
      writeFileSync(join(own, "extensions"), `subjectAltName=${names}\n`);
      openssl("req", ...newKey, "-keyout", `${name}/tls.key`, "-out", `${name}/request`, "-subj", `/CN=${name}`);
      const issuer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days)];
      openssl(
        "x509",
        "-req",
        "-in",
        `${name}/request`,
        ...issuer,
        "-extfile",
        `${name}/extensions`,
        "-out",
        `${name}/tls.crt`,
      );
      copyFileSync(join(own, "tls.key"), join(own, "both.pem"));
      writeFileSync(join(own, "both.pem"), readFileSync(join(own, "tls.crt")), { flag: "a" });
      return own;
    },
  };
}
