import { openSync } from "node:fs";
import { write } from "./says.mjs";

const piece = Buffer.alloc(1024 * 1024, 1);
for (let index = 0; ; index += 1) write(openSync(`/workspace/big-${index}`, "w"), piece);
