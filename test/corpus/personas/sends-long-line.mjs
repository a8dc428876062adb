import { say, write } from "./says.mjs";

write(3, `{"type":"message","text":"${"x".repeat(10 * 1024 * 1024)}"}\n`);
say("message", { text: "after it" });
