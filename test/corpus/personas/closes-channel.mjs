import { closeSync } from "node:fs";
import { say } from "./says.mjs";

say("message", { text: "before" });
closeSync(3);
console.log("after");
