import { say } from "./says.mjs";

const [, , , code, text] = process.argv;
if (text !== undefined) say("message", { text });
process.exit(Number(code));
