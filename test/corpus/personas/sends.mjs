import { write } from "./says.mjs";

// Each further word is one line, as it is; then it goes on as if nothing had been.
for (const line of process.argv.slice(3)) write(3, `${line}\n`);
setTimeout(() => {}, 200);
