// @ts-check
// The table of markets as a client holds it; tests/test_client/test_market_table.py plays the same cases.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { MarketTableState } from "../../web/js/wire/market-table.js";
import { decode } from "../../web/js/wire/messages.js";
import { LiqstreamClient } from "../../web/js/websocket-client.js";

const cases = JSON.parse(readFileSync(new URL("../market_table_cases.json", import.meta.url), "utf8"));

for (const { name, messages, tables, asks } of cases) {
  test(name, () => {
    const state = new MarketTableState();
    messages.forEach((/** @type {object} */ message, /** @type {number} */ n) => {
      const decoded = /** @type {any} */ (decode(JSON.stringify(message)));
      assert.equal(decoded?.type, "markets");
      const { table, ask } = state.take(decoded);
      const { timestamp, ...shown } = table ?? {};
      assert.deepEqual(table && shown, tables[n]);
      assert.equal(ask, asks[n]);
    });
  });
}

test("the client asks for the table, for all of it where it lacks one, and again on a new connection", async () => {
  /** @type {any[]} */
  const sockets = [];
  class Socket {
    readyState = 1;
    /** @type {any[]} */ sent = [];
    /** @type {any} */ onopen = null;
    /** @type {any} */ onmessage = null;
    /** @type {any} */ onclose = null;
    /** @type {any} */ onerror = null;
    constructor() {
      sockets.push(this);
    }
    /** @param {string} text */
    send(text) {
      const message = JSON.parse(text);
      if (message.action !== "ping") this.sent.push(message);
    }
    close() {}
  }
  const client = new LiqstreamClient("ws://test/ws/heatmap", { WebSocket: /** @type {any} */ (Socket) });
  /** @type {number[]} */
  const seqs = [];
  client.on("markets", ({ seq }) => seqs.push(seq));
  client.subscribeMarkets();
  client.connect();
  sockets[0].onopen();
  const say = (/** @type {object} */ message) => sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  say({ type: "subscribed", id: "markets", proto: 2, stream: "markets" });
  const [{ messages }, { messages: missed }] = cases;
  say(messages[0]);
  say(missed[1]);
  assert.deepEqual(sockets[0].sent, [
    { action: "subscribe", stream: "markets", id: "markets", proto: 2 },
    { action: "resync", stream: "markets", id: "markets" },
  ]);
  assert.deepEqual(seqs, [41]);
  client.reopen();
  sockets[1].onopen();
  say(messages[0]);
  say(messages[1]);
  assert.deepEqual(seqs, [41, 41, 42]);
  assert.equal(client.markets?.fields.price[0], 98010);
  client.subscribeMarkets(false);
  assert.equal(sockets[1].sent.at(-1).action, "unsubscribe");
  assert.equal(client.notUnderstood, 0);
  client.close();
});
