// Runs inside a box, with the workspace mounted read-only. Plain JavaScript without packages, since the box has only Node.
// `list`: entries of the workspace that differ from what the host saw last. `read`: the bytes of the files that the host asks for.
// Paths are latin1 text, one character a byte, so that names of any bytes work. Follows no link, opens only regular files.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeSync,
} from "node:fs";

const [command, root, given] = process.argv.slice(2);
const bytesOf = (path) => Buffer.from(path === "" ? root : `${root}/${path}`, "latin1");
const recordsOf = (file) => readFileSync(`${given}/${file}`, "latin1").split("\0").slice(0, -1);
const chunkBytes = 1024 * 1024;

function write(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

if (command === "list") list(JSON.parse(readFileSync(`${given}/limits.json`, "utf8")));
else read();

/** Breadth first, so that limits cut off the deepest entries. Only entries that the base does not have count against the limits. */
function list({ entries, nameBytes, depth, pathBytes }) {
  const seen = new Map(recordsOf("tracked").map(splitTracked)); // path → inode and change time, when the host last saw it
  const left = new Set(recordsOf("left")); // folders that the host wants nothing of
  const baseFolders = foldersOf(seen.keys());
  const visited = new Set();
  const out = createOut();
  let room = entries;
  let nameRoom = nameBytes;

  const queue = [""];
  for (const folder of queue) {
    let handle;
    try {
      handle = opendirSync(bytesOf(folder), { encoding: "latin1", bufferSize: 512 });
    } catch {
      out.say("unreadable", 0, folder);
      continue;
    }
    let isCut = false;
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const isOfBase = seen.has(path) || baseFolders.has(path);
      if (!isOfBase && (room <= 0 || nameRoom <= 0)) {
        isCut = true;
        if (folder !== "" && !baseFolders.has(folder)) break;
        continue;
      }
      visit(entry.name, path, isOfBase);
    }
    handle.closeSync();
    if (isCut) out.say("too_many", 0, folder);
  }
  for (const path of seen.keys()) if (!visited.has(path)) out.say("gone", 0, path);
  out.say("end", visited.size, "");
  out.flush();

  function visit(name, path, isOfBase) {
    if (!isOfBase) {
      if (left.has(path)) return;
      room -= 1;
      nameRoom -= path.length;
      const refusal = refusalOf(name, path);
      if (refusal !== undefined) return out.say(refusal, 0, path);
    }
    let stat;
    try {
      stat = lstatSync(bytesOf(path), { bigint: true });
    } catch {
      visited.add(path);
      return out.say("unreadable", 0, path);
    }
    if (stat.isDirectory()) {
      if (baseFolders.has(path)) return queue.push(path);
      if (left.has(path)) return;
      out.say("folder", 0, path);
      return path.split("/").length >= depth ? out.say("too_deep", 0, path) : queue.push(path);
    }
    if (seen.has(path)) visited.add(path);
    if (seen.get(path) === `${stat.ino} ${stat.ctimeNs}`) return;
    if (stat.isSymbolicLink()) {
      const isDevious = /^\.gitmodules$/i.test(name);
      return out.say(isDevious ? "bad_name" : "link", stat.size, path);
    }
    if (!stat.isFile()) return out.say("special", 0, path);
    try {
      accessSync(bytesOf(path), constants.R_OK);
    } catch {
      return out.say("unreadable", 0, path);
    }
    out.say(stat.mode & 0o100n ? "program" : "file", stat.size, path);
  }

  function refusalOf(name, path) {
    if (path.length > pathBytes) return "too_deep";
    const text = Buffer.from(name, "latin1").toString("utf8");
    if (text === ".git") return "git_folder";
    if (isLikeGitFolder(text)) return "bad_name";
    return Buffer.from(text, "utf8").toString("latin1") === name ? undefined : "bad_name";
  }
}

/** Whether some file system takes the name for `.git`: case, ignorable code points, short names, trailing dots, streams, and backslash as a separator. */
function isLikeGitFolder(name) {
  return name
    .replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, "")
    .split("\\")
    .some((part) => /^(\.git|git~1)[. ]*(:.*)?$/is.test(part));
}

function splitTracked(record) {
  const [inode, changed] = record.split(" ", 2);
  return [record.slice(inode.length + changed.length + 2), `${inode} ${changed}`];
}

function foldersOf(paths) {
  const folders = new Set([""]);
  for (const path of paths)
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  return folders;
}

function createOut() {
  let records = [];
  const flush = () => {
    write(Buffer.from(records.join(""), "latin1"));
    records = [];
  };
  return {
    flush,
    say(kind, size, path) {
      if (records.push(`${kind} ${size} ${path}\0`) >= 5_000) flush();
    },
  };
}

/** For each file a line with its size, then its bytes. Ends with an error when a size differs from the listing: a process was still writing. */
function read() {
  const chunk = Buffer.alloc(chunkBytes);
  for (const record of recordsOf("wanted")) {
    const [kind, size] = record.split(" ", 2);
    const path = record.slice(kind.length + size.length + 2);
    if (kind === "link") {
      const target = readlinkSync(bytesOf(path), { encoding: "buffer" });
      if (target.length !== Number(size)) throw new Error(`${path} changed`);
      write(Buffer.concat([Buffer.from(`${size}\n`), target]));
      continue;
    }
    const file = openSync(bytesOf(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size !== Number(size)) throw new Error(`${path} changed`);
    write(Buffer.from(`${size}\n`));
    let got = 0;
    for (let n = readSync(file, chunk); n > 0; n = readSync(file, chunk)) {
      got += n;
      if (got > Number(size)) break;
      write(chunk.subarray(0, n));
    }
    if (got !== Number(size)) throw new Error(`${path} changed`);
    closeSync(file);
  }
  write(Buffer.from("end\n"));
}
