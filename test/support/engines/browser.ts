import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const giveUpMs = 60_000;

/**
 * Opens a page of its own origin in Chromium and lets it work.
 * @param host - by which the page is reached: `localhost` and `127.0.0.1` are two origins
 * @param work - JavaScript of a module, whose default export is what the page finds
 */
export async function inBrowser<T>(host: string, work: string): Promise<T> {
  const page = `<!doctype html><script type="module">
    const tell = (found) => fetch("/found", { method: "POST", body: JSON.stringify(found) });
    import("/work.js").then((work) => tell({ found: work.default }), (error) => tell({ error: String(error?.stack) }));
  </script>`;
  const told = Promise.withResolvers<string>();
  const server = createServer((request, response) => {
    if (request.method === "POST") text(request).then(told.resolve, told.reject);
    response.setHeader("content-type", request.url === "/work.js" ? "text/javascript" : "text/html");
    response.end(request.url === "/work.js" ? work : page);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const profile = mkdtempSync(join(tmpdir(), "automation-browser-"));
  const { port } = server.address() as AddressInfo;
  const rootless = process.getuid?.() === 0 ? ["--no-sandbox"] : []; // root has no sandbox in Chromium
  const options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", ...rootless];
  const browser = spawn("chromium", [...options, `--user-data-dir=${profile}`, `http://${host}:${port}/`], {
    detached: true,
    stdio: "ignore",
  });
  browser.once("error", told.reject);
  const gone = new Promise((done) => browser.once("close", done));
  browser.once("close", () => told.reject(new Error("the browser has ended and told nothing")));
  const giveUp = setTimeout(() => told.reject(new Error("the page has told nothing for a minute")), giveUpMs);
  try {
    const { found, error } = JSON.parse(await told.promise);
    if (error !== undefined) throw new Error(error);
    return found;
  } finally {
    clearTimeout(giveUp);
    if (browser.pid !== undefined && browser.exitCode === null) process.kill(-browser.pid, "SIGKILL");
    await gone;
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
