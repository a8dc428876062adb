import type { KeyObject } from "node:crypto";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import type { Stats } from "node:fs";
import { statSync } from "node:fs";
import { link, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KeyPurpose, SigningKeys } from "../../proof/attestations/signer.ts";

/** The folder of signing keys is not safe or can't be used. */
class UnusableKeyError extends Error {
  override readonly name = "UnusableKeyError";
  readonly code = "unusable_key";
}

const purposes: readonly KeyPurpose[] = ["builder", "verifier"];

interface Key {
  readonly privateKey: KeyObject;
  readonly keyId: string;
  readonly pem: string;
}

/**
 * Signs with Ed25519 keys in files: `DIR/<purpose>.pem`, PKCS #8. Missing keys are made; replicas that share the folder get the same keys.
 * @param open - reads a file by `parse`, and again when it changed; returns a function that gives what was read last
 * @returns a function that gives the keys as they are now
 * @throws UnusableKeyError when others may reach a file of this user, or it holds no Ed25519 key
 */
export async function openFileSigner(
  dir: string,
  open: (purpose: KeyPurpose, file: string, parse: (pem: string) => Key) => () => Key,
): Promise<() => SigningKeys> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  assertKept(dir);
  const current = await Promise.all(
    purposes.map(async (purpose) => {
      const file = join(dir, `${purpose}.pem`);
      await createUnlessThere(dir, file);
      return [purpose, open(purpose, file, (pem) => parse(file, pem))] as const;
    }),
  );
  return () => {
    const keys = new Map(current.map(([purpose, keyNow]) => [purpose, keyNow()]));
    return {
      sign: async (purpose, bytes) => {
        const key = keys.get(purpose);
        if (key === undefined) throw new UnusableKeyError(`there is no key of purpose ${purpose}`);
        return { keyId: key.keyId, signature: sign(null, bytes, key.privateKey) };
      },
      publicKeys: [...keys].map(([purpose, { keyId, pem }]) => ({ purpose, keyId, pem })),
    };
  };
}

/**
 * @param publicKey - Ed25519
 * @returns its OpenSSH fingerprint, as `ssh-keygen -l` shows it; other verifiers accept no other key id
 */
export function fingerprintOf(publicKey: KeyObject): string {
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const wire = Buffer.concat([Buffer.from("ssh-ed25519"), raw].flatMap((field) => [lengthOf(field), field]));
  return `SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=$/, "")}`;
}

/** Linking is atomic, and the first one wins. */
async function createUnlessThere(dir: string, file: string): Promise<void> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const temporary = join(dir, `.${randomUUID()}.pem`);
  const { privateKey } = generateKeyPairSync("ed25519");
  try {
    await writeFile(temporary, privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

function parse(file: string, pem: string): Key {
  assertPrivate(file);
  const remedy = "restore it from a backup, or make one by: openssl genpkey -algorithm ed25519";
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (cause) {
    throw new UnusableKeyError(`${file} holds no private key in PEM; ${remedy}`, { cause });
  }
  const { asymmetricKeyType } = privateKey;
  if (asymmetricKeyType !== "ed25519")
    throw new UnusableKeyError(`${file} holds a key of type ${asymmetricKeyType}, ed25519 is required; ${remedy}`);
  const publicKey = createPublicKey(privateKey);
  const publicPem = publicKey.export({ type: "spki", format: "pem" }) as string;
  return { privateKey, keyId: fingerprintOf(publicKey), pem: publicPem };
}

const sticky = 0o1000;

/** As ssh does it, only what is this user's own is judged: what another owner mounted, as kubelet does, is for that one to protect. */
const isOwn = ({ uid }: Stats): boolean => uid === process.getuid?.();

function assertKept(dir: string): void {
  const found = statSync(dir);
  if (isOwn(found) && (found.mode & 0o022) !== 0 && (found.mode & sticky) === 0)
    throw new UnusableKeyError(
      `${dir} has mode ${modeOf(found)}, so others may replace the keys; run: chmod 700 ${dir}`,
    );
}

function assertPrivate(file: string): void {
  const found = statSync(file);
  if (isOwn(found) && (found.mode & 0o077) !== 0)
    throw new UnusableKeyError(
      `${file} has mode ${modeOf(found)}, so others may reach the key; run: chmod 600 ${file}`,
    );
}

const modeOf = ({ mode }: Stats): string => (mode & 0o777).toString(8);

function lengthOf(field: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(field.byteLength);
  return length;
}
