// A client made of the npm package `ws` alone, for test_foreign_clients.py: it sends the lines it is given
// on stdin and prints every message it receives as one line.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(process.argv[2]);
const { WebSocket } = require("ws");
const socket = new WebSocket(process.argv[3], { perMessageDeflate: process.argv[4] === "deflate" });

socket.on("message", (data) => process.stdout.write(`${data}\n`));
socket.on("close", () => process.exit(0));
socket.on("open", () => {
  createInterface({ input: process.stdin })
    .on("line", (line) => socket.send(line))
    .on("close", () => socket.close());
});
