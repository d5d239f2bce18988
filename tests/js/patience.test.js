// @ts-check
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { newEntry } from "../../web/js/data/loaded-maps.js";
import { requestCandles, requestColumns, requestLiquidations } from "../../web/js/data/market-requests.js";
import { within } from "../../web/js/data/patience.js";
import { history } from "./lqh1.js";

test("what does not answer in time is given up, with a reason, and so is what nobody wants any more", async () => {
  /** @type {AbortSignal[]} */
  const signals = [];
  const ask = (/** @type {AbortSignal} */ signal) => {
    signals.push(signal);
    return new Promise(() => {});
  };
  await assert.rejects(within(20, undefined, ask), /no answer within 0.02 s/);
  const unwanted = new AbortController();
  const waiting = within(60_000, unwanted.signal, ask);
  unwanted.abort(new Error("another window"));
  await assert.rejects(waiting, /another window/);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, true]);
  assert.equal(await within(60_000, undefined, async () => 7), 7);
});

test("a server that hangs is asked once, and what it says of another window later is passed over", async (t) => {
  /** @type {Map<string, import("node:http").ServerResponse>} */
  const waiting = new Map();
  /** @type {(() => void) | null} */
  let cameIn = null;
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    waiting.set((request.url ?? "").split(/[?/]/)[2], response);
    cameIn?.();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(null)));
  const { fetch } = globalThis;
  t.after(() => ((globalThis.fetch = fetch), server.closeAllConnections(), server.close()));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  globalThis.fetch = (address, init) => fetch(`http://127.0.0.1:${port}/${address}`, init);
  const arrived = (/** @type {number} */ many) =>
    new Promise((done) => (cameIn = () => asked >= many && done(null)));

  const made = history({ columns: 4, rows: 8, p0: 100, step: 1 });
  const entry = newEntry("BTCUSDT", "3d", () => {});
  entry.market.takeHistory(decodeHistory(made.bytes));
  const allIn = arrived(3);
  const first = [requestLiquidations(entry, "15m"), requestColumns(entry, false), requestCandles(entry, "15m")];
  await Promise.all([requestLiquidations(entry, "15m"), requestColumns(entry, false)]);
  await allIn;
  assert.equal(asked, 3);

  entry.market.takeHistory(decodeHistory(made.bytes)); // another window's
  const t0 = made.head.t0 + made.head.interval_ms;
  const candle = entry.market.matrix?.candle(1);
  const total = { timestamp: t0, interval_ms: 60_000, long_usd: 5, short_usd: 0 };
  waiting.get("liquidations")?.end(JSON.stringify({ data: [], totals: [total] }));
  waiting.get("klines")?.end(JSON.stringify({ data: [{ timestamp: t0, open: 1, high: 2, low: 1, close: 2 }] }));
  waiting.get("heatmap")?.writeHead(503).end();
  await Promise.all(first);
  assert.deepEqual(entry.market.totals, []);
  assert.equal(entry.market.liquidationsState, "loading");
  assert.deepEqual(entry.market.matrix?.candle(1), candle);
  const again = arrived(4);
  void requestLiquidations(entry, "15m");
  await again;
});
