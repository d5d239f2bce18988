// The JavaScript client as a scanner and a follower of two markets: a line for each thing it shows.
// node tests/browser/market_follower.mjs ws://HOST:PORT/ws/heatmap SYMBOL...
import { WebSocket } from "../../web/node_modules/ws/wrapper.mjs";
import { LiqstreamClient } from "../../web/js/websocket-client.js";

const [url, ...symbols] = process.argv.slice(2);
const client = new LiqstreamClient(url, { WebSocket, random: () => 0.03 });
const show = (/** @type {unknown[]} */ ...what) => process.stdout.write(`${JSON.stringify(what)}\n`);
let listed = "";
client.on("markets", (table) => {
  if (table.symbols.join() !== listed) show("listed", (listed = table.symbols.join()));
});
client.on("snapshot", ({ symbol }) => show("snapshot", symbol));
client.on("ended", ({ symbols: of }) => show("ended", of.join()));
client.subscribe(symbols, { intervalS: 1 });
client.subscribeMarkets();
client.connect();
