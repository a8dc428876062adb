import { say } from "./says.mjs";

const count = Number(process.argv[3]);
for (let index = 0; index < count; index += 1) say("message", { text: `message ${index}` });
