// Connects to an abstract socket of the host, which no mount hides.
// refused: ECONNREFUSED
import { connect } from "node:net";

const socket = connect(`\0${process.env.HOST_SOCKET}`);
socket.on("connect", () => {
  console.log("ESCAPED to the host's socket");
  process.exit(0);
});
socket.on("error", (error) => console.log(error.code));
