import { spawn } from "node:child_process";
import { once } from "node:events";
import { say } from "./says.mjs";

// Each child forks again, in a session of its own and with its parent gone, as daemons do.
const [, program, mark] = process.argv;
for (let count = 0; count < 5; count += 1) {
  const daemon = `setsid setsid ${process.execPath} -e 'setInterval(() => {}, 1000)' ${mark} >/dev/null 2>&1 &`;
  await once(spawn("/bin/sh", ["-c", daemon], { detached: true, stdio: "ignore" }), "exit");
}
say("message", { text: `left five of ${program}` });
