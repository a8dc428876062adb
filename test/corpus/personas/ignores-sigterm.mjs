import { say } from "./says.mjs";

process.on("SIGTERM", () => say("message", { text: "SIGTERM is nothing to me" }));
say("message", { text: "ready" });
setInterval(() => console.log("still here"), 100);
