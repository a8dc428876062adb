// Connects to a listener of the worker on the host's loopback, and to the wide network.
// refused: 127.0.0.1 ECONNREFUSED; ::1 E\w+; 1.1.1.1 ENETUNREACH
import { connect } from "node:net";

const attempt = (host, port) =>
  new Promise((resolve) => {
    const socket = connect(port, host);
    socket.setTimeout(3000, () => resolve(`${host} silent`));
    socket.on("connect", () => resolve(`ESCAPED to ${host}`));
    socket.on("error", (error) => resolve(`${host} ${error.code}`));
  });
const port = Number(process.env.HOST_PORT);
console.log([await attempt("127.0.0.1", port), await attempt("::1", port), await attempt("1.1.1.1", 53)].join("; "));
process.exit(0);
