// A child takes all memory while its parent, small, waits for whatever happens to it.
// ends: memory
import { spawn } from "node:child_process";

const eat = "const kept = []; setInterval(() => kept.push(Buffer.alloc(16 * 1048576, 1)), 5)";
const again = () => spawn("node", ["-e", eat]).on("exit", again);
again();
