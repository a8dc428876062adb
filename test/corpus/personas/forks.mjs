import { spawn } from "node:child_process";

setInterval(() => {
  for (let count = 0; count < 20; count += 1) spawn("/bin/sleep", ["60"]).on("error", () => {});
}, 20);
