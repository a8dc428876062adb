import { globSync, lstatSync } from "node:fs";
import { chmod, cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The user inside a box; on the host it has another number. */
export const boxUser = { name: "persona", uid: 1000, gid: 1000, home: "/home/persona" } as const;

/**
 * Files that distribution packages keep in /etc for toolchains, as globs below it. Left out is what may hold a password or a token: settings of npm, pip, git, Maven and
 * Gradle, and profiles of shells.
 */
const toolchainFiles: readonly string[] = [
  ["alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-*.path"],
  ["os-release", "*-release", "debian_version", "dpkg/origins"],
  ["netconfig", "networks", "protocols", "rpc", "services", "ethertypes"],
  ["magic", "magic.mime", "mime.types", "locale.alias", "locale.conf", "terminfo", "fonts", "papersize", "xattr.conf"],
  ["ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf"], // not `ssl/private`, which a worker's user may be allowed to read
  ["pki/tls/certs", "pki/tls/cert.pem", "pki/tls/openssl.*", "pki/ca-trust/extracted", "crypto-policies"],
  ["java", "java-*", "jvm*", "ant*", "maven/m2.conf", "maven/logging", "maven/toolchains.xml"],
  ["perl", "pypy*", "python", "python[0-9]*", "R", "dotnet", "erlang", "mono"],
  ["php/*/cli", "php/*/mods-available", "php.d", "php.ini"],
  ["chromium.d", "dictionaries-common", "emacs", "ghostscript", "ImageMagick-*", "sgml", "texmf", "vim", "xml"],
  ["glvnd", "OpenCL", "vulkan"],
].flat();

/** The user, the host name, and the author of commits that a program makes. */
const ownFiles: Readonly<Record<string, string>> = {
  passwd: [
    "root:x:0:0:root:/:/bin/false",
    `${boxUser.name}:x:${boxUser.uid}:${boxUser.gid}:${boxUser.name}:${boxUser.home}:/bin/sh`,
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
  ].join("\n"),
  group: `root:x:0:\n${boxUser.name}:x:${boxUser.gid}:\nnogroup:x:65534:\n`,
  hosts: "127.0.0.1 localhost box\n::1 localhost\n",
  hostname: "box\n",
  "nsswitch.conf":
    "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\nnetworks: files\nrpc: files\n",
  timezone: "Etc/UTC\n",
  gitconfig: `[user]\n\tname = ${boxUser.name}\n\temail = ${boxUser.name}@box\n[init]\n\tdefaultBranch = main\n`,
};
const ownLinks = { localtime: "/usr/share/zoneinfo/Etc/UTC", mtab: "/proc/self/mounts" } as const;

/**
 * Makes the /etc of boxes: copies of those files of the host that toolchains need, and a few files of our own.
 * Only files and folders of the host that everybody may read are copied. Links stay links, and lead to files of the box.
 * @param from - the host's /etc
 * @param to - folder that is removed and made again; no box may use it meanwhile
 */
export async function writeBoxFiles(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await makeReadable(to);
  const isTaken = (path: string) => {
    const stat = lstatSync(path);
    if (stat.isDirectory()) return (stat.mode & 0o005) === 0o005;
    return stat.isSymbolicLink() || (stat.isFile() && (stat.mode & 0o004) !== 0);
  };
  for (const name of globSync([...toolchainFiles], { cwd: from })) {
    if (!isTaken(join(from, name))) continue;
    await makeReadable(dirname(join(to, name)));
    await cp(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true, filter: isTaken });
  }
  for (const [name, text] of Object.entries(ownFiles)) {
    await writeFile(join(to, name), text);
    await chmod(join(to, name), 0o644);
  }
  for (const [name, target] of Object.entries(ownLinks)) await symlink(target, join(to, name));
}

/** Sets the modes explicitly, since the umask may be strict. */
async function makeReadable(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  if (made !== undefined) for (let at = folder; at.length >= made.length; at = dirname(at)) await chmod(at, 0o755);
}
