import { write } from "./says.mjs";

const line = `${"stdout ".repeat(20)}\n`.repeat(100);
for (;;) write(1, line);
