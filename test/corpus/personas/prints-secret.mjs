import { setTimeout as sleep } from "node:timers/promises";
import { say, write } from "./says.mjs";

const secret = 'canary/+"0123456789';
for (const letter of secret) {
  write(1, letter);
  write(2, letter);
  await sleep(2);
}
write(1, "\n");
write(2, "\n");
for (const before of ["", "a", "ab", "abc"]) console.log(Buffer.from(before + secret).toString("base64"));
console.log(encodeURIComponent(secret));
console.log(JSON.stringify(secret));
console.log(`can\u001b[31mary/+"0123456789`);
say("message", { text: `it is ${secret}` });
say("tool.started", { name: secret, detail: Buffer.from(secret).toString("base64url") });
say("plan", { items: [{ text: secret, done: false }] });
say("result", { result: { [secret]: secret } });
console.log(`at the end ${secret}`);
process.exitCode = 0;
