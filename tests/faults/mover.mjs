// The JavaScript client behind the door of a fleet under test: one line for each state it shows.
// node tests/faults/mover.mjs ws://HOST:PORT/ws/heatmap SYMBOL
import { WebSocket } from "../../web/node_modules/ws/wrapper.mjs";
import { LiqstreamClient } from "../../web/js/websocket-client.js";

const [url, symbol] = process.argv.slice(2);
const client = new LiqstreamClient(url, { WebSocket, random: () => 0.03 });
client.on("snapshot", ({ epoch, seq, levels }) =>
  process.stdout.write(`${JSON.stringify([epoch, seq, levels.checksum()])}\n`),
);
client.subscribe([symbol], { intervalS: 1 });
client.connect();
