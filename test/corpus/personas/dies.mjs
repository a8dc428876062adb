console.error("about to fall");
process.kill(process.pid, "SIGSEGV");
