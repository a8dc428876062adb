import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import type { Sandbox } from "../../workers/workspace/sandbox/sandbox.ts";
import { openTestArea, runInBox } from "../support/worlds/boxes.ts";

let boxes: { readonly area: RunArea; readonly sandbox: Sandbox };
let remove: () => Promise<void>;
beforeAll(async () => {
  const opened = await openTestArea();
  boxes = { area: opened.area, sandbox: createBubblewrap({ area: opened.area }) };
  remove = opened.remove;
});
afterAll(() => remove());

const run = async (script: string, files: Readonly<Record<string, string>> = {}) => {
  const write = Object.entries(files).map(([name, text]) => `cat > ${name} <<'END'\n${text}\nEND\n`);
  const limits = { memoryBytes: 2 * 1024 ** 3, processes: 200, timeMs: 60_000, idleMs: 60_000 };
  const { end, stdout, stderr } = await runInBox(boxes, ["sh", "-ec", `${write.join("")}${script}`], { limits });
  return { exitCode: end.exitCode, limit: end.limit, stdout, stderr };
};

it("Java compiles and runs: providers, threads, a server on localhost and its client, the user's name and the zone", async () => {
  const source = `import com.sun.net.httpserver.HttpServer;
    import java.net.*; import java.net.http.*; import java.util.*; import java.util.concurrent.*;
    public class Hello {
      public static void main(String[] arguments) throws Exception {
        var server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
        server.createContext("/", exchange -> { exchange.sendResponseHeaders(200, -1); exchange.close(); });
        server.start();
        var uri = URI.create("http://localhost:" + server.getAddress().getPort());
        var response = HttpClient.newHttpClient().send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding());
        System.out.println(response.statusCode() + " " + Executors.newFixedThreadPool(20).submit(() -> 5).get()
          + " " + java.security.MessageDigest.getInstance("SHA-256").getAlgorithm() + " " + javax.net.ssl.SSLContext.getDefault().getProtocol()
          + " " + TimeZone.getDefault().getID() + " " + System.getProperty("user.name") + " " + InetAddress.getLocalHost().getHostName());
        System.exit(0);
      }
    }`;
  const ran = await run("javac -d /tmp Hello.java; java -cp /tmp Hello", { "Hello.java": source });
  expect(ran).toEqual({ exitCode: 0, stdout: "200 5 SHA-256 Default UTC persona box\n", stderr: "" });
});

it("Node serves on localhost and on a socket file, forks, starts threads, watches files", async () => {
  const source = `import { fork } from "node:child_process"; import { once } from "node:events"; import { watch, writeFileSync } from "node:fs";
    import { createServer } from "node:http"; import { Worker } from "node:worker_threads";
    const server = createServer((request, response) => response.end("served")).listen(0, "localhost");
    await once(server, "listening");
    console.log(await (await fetch("http://localhost:" + server.address().port)).text());
    await once(createServer().listen("/tmp/socket"), "listening");
    writeFileSync("child.cjs", "process.send('forked')");
    console.log(...(await once(fork("./child.cjs"), "message")).slice(0, 1));
    console.log(...(await once(new Worker("require('node:worker_threads').parentPort.postMessage('threaded')", { eval: true }), "message")));
    const watcher = watch("."); setTimeout(() => writeFileSync("new", ""), 0);
    await once(watcher, "change"); process.exit(0);`;
  const ran = await run("node main.mjs", { "main.mjs": source });
  expect(ran).toEqual({ exitCode: 0, stdout: "served\nforked\nthreaded\n", stderr: "" });
});

it("Git makes repositories, and commits without being told who it is", async () => {
  const ran = await run(
    "git init -q r; cd r; echo a > a; git add -A; git commit -q -m One; echo b >> a; git stash -q; git stash pop -q; git diff --stat; git log --format='%an <%ae> %s %D'; git clone -q . ../c",
  );
  expect(ran).toEqual({
    exitCode: 0,
    stderr: "",
    stdout: " a | 1 +\n 1 file changed, 1 insertion(+)\npersona <persona@box> One HEAD -> main\n",
  });
});

it("names of services, protocols, zones and terminals are known, and no locale is missing", async () => {
  const ran = await run(
    `perl -e 'print join(" ", (getservbyname("https", "tcp"))[2], getprotobyname("udp") + 0, scalar getpwuid($<), scalar getpwnam("root")), "\\n"'
     TZ=Europe/Berlin date -d @0 +%Z; date -d @0 +%Z; tput cols; hostname; test -x "$SHELL"`,
  );
  expect(ran).toEqual({ exitCode: 0, stdout: "443 17 persona 0\nCET\nUTC\n80\nbox\n", stderr: "" });
});
