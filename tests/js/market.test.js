// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { DEQUANTISED, quantise } from "../../web/js/data/quantise.js";
import { Market } from "../../web/js/data/market.js";
import { Levels } from "../../web/js/wire/levels.js";
import { history } from "./lqh1.js";

const made = history({ columns: 4, rows: 8, p0: 100, step: 1 });
const END = made.head.t0 + 4 * made.head.interval_ms;

function newMarket() {
  const market = new Market("BTCUSDT");
  /** @type {string[]} */
  const changes = [];
  market.subscribe((change) => changes.push(change));
  market.takeHistory(decodeHistory(made.bytes));
  changes.length = 0;
  return { market, changes };
}

/**
 * @param {number} timeMs
 * @param {number} seq
 * @param {Partial<{ p0: number, step: number, long: number[], short: number[], price: number, epoch: number
 * }>} [given]
 */
function snapshot(timeMs, seq, { p0 = 100, step = 1, long = new Array(8).fill(0), short = new Array(8).fill(0), price = 103, epoch = 1 } = {}) {
  return {
    symbol: "BTCUSDT", timeMs, epoch, seq, stale: false, source: "simulated", quality: [], kernel: "tiered", silent: {},
    levels: new Levels({ p0, step, long, short }), currentPrice: price, created: 0, consumed: 0, full: true,
  };
}

test("the state at a bar's close belongs to that bar; a millisecond later begins the next column", () => {
  const { market, changes } = newMarket();
  market.takeSnapshot(snapshot(END, 2));
  assert.equal(market.matrix?.end, 4);
  assert.deepEqual(changes, ["column", "now"]);
  market.takeSnapshot(snapshot(END + 1, 3));
  assert.equal(market.matrix?.end, 5);
});

test("a tick is shown on the state it is about, until the next one", () => {
  const { market, changes } = newMarket();
  const long = [900, 1500, 0, 0, 0, 0, 0, 0];
  const held = snapshot(END + 5000, 2, { long });
  market.takeSnapshot(held);
  changes.length = 0;
  const masked = { ...held, timeMs: END + 5400, currentPrice: 101, levels: held.levels.masked(100.5, 100) };
  market.takeTick({ ...masked, tick: { n: 1, low: 100.5, high: 100 } });
  assert.deepEqual(changes, ["column", "now"]);
  assert.equal(market.now?.price, 101);
  assert.deepEqual(Array.from(market.now?.grid.long ?? []).slice(0, 3), [900, 0, 0]);
  assert.equal(market.matrix?.column(4)?.long[1], 0);
  assert.equal(market.matrix?.candle(4)?.low, 101);
  market.takeSnapshot(snapshot(END + 6000, 3, { long, price: 102 }));
  assert.notEqual(market.matrix?.column(4)?.long[1], 0);
});

test("a tick about another state, or beside a choice of exchanges, is passed over", () => {
  const { market, changes } = newMarket();
  const held = snapshot(END + 5000, 2);
  market.takeSnapshot(held);
  changes.length = 0;
  market.takeTick({ ...held, seq: 3, currentPrice: 90 });
  market.takeTick({ ...held, epoch: 2, currentPrice: 90 });
  market.chosen = ["okx"];
  market.takeTick({ ...held, currentPrice: 90 });
  assert.deepEqual([changes, market.now?.price], [[], 103]);
});

test("live levels land on their rows, quantised, and lift and lower the candle", () => {
  const { market } = newMarket();
  const long = [0, 0, 7000, 0, 0, 0, 0, 0];
  market.takeSnapshot(snapshot(END + 5000, 2, { long, price: 107 }));
  market.takeSnapshot(snapshot(END + 6000, 3, { long, price: 101 }));
  const column = market.matrix?.column(4);
  assert.equal(DEQUANTISED[column?.long[2] ?? 0], DEQUANTISED[quantise(7000)]);
  const candle = market.matrix?.candle(4);
  assert.equal(candle?.high, 107);
  assert.ok((candle?.low ?? 999) <= 101);
  assert.equal(candle?.close, 101);
});

test("a finer live grid is summed into the history's rows", () => {
  const { market } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 2, { p0: 100, step: 0.5, long: [0, 0, 3000, 2000, 0, 0, 0], short: new Array(7).fill(0) }));
  const long = market.matrix?.column(4)?.long ?? [];
  assert.equal(DEQUANTISED[long[1]] + DEQUANTISED[long[2]], DEQUANTISED[quantise(3000)] + DEQUANTISED[quantise(2000)]);
});

test("rows beyond the live grid stay as they stood", () => {
  const { market } = newMarket();
  const before = market.matrix?.column(3)?.long[7];
  market.takeSnapshot(snapshot(END + 1, 2, { long: [900, 900], short: [0, 0] }));
  assert.equal(market.matrix?.column(4)?.long[7], before);
});

test("the socket's states are shown as they come: another server's may have an earlier position", () => {
  const { market } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 9, { price: 105, epoch: 5 }));
  market.takeSnapshot(snapshot(END + 1, 8, { price: 101, epoch: 5 }));
  assert.equal(market.now?.price, 101);
  market.takeSnapshot(snapshot(END + 1, 1, { price: 102, epoch: 2 }));
  assert.equal(market.now?.price, 102);
});

test("a polled state that something was faster than is dropped; of an earlier epoch it is not", () => {
  const { market } = newMarket();
  const askedAt = performance.now();
  market.takeSnapshot(snapshot(END + 1, 9, { price: 105, epoch: 5 }));
  market.takeColumns(columns({ price: 104 }), { asNow: true, askedAt });
  assert.equal(market.now?.price, 105);
  market.takeColumns(columns({ price: 104 }), { asNow: true });
  assert.equal(market.now?.price, 104);
});

test("a jump over columns, or a grid that left the rows, asks for the history again", () => {
  const { market, changes } = newMarket();
  market.takeSnapshot(snapshot(END + 3 * 60_000, 2));
  assert.ok(changes.includes("behind"));
  const other = newMarket();
  other.market.takeSnapshot(snapshot(END, 2, { p0: 300 }));
  assert.ok(other.changes.includes("behind"));
});

/** @param {Partial<{ seq: number, price: number, long: number[], mix: any }>} [given] */
function columns({ seq = 2, price = 103, long = new Array(8).fill(0), mix = null } = {}) {
  return {
    timestamp: new Date(END + 5000).toISOString(), epoch: 1, seq, stale: false, source: "live", quality: [], kernel: "tiered",
    exchanges: ["okx"], all_exchanges: ["binance", "okx"], mix,
    data: { p0: 100, step: 1, long, short: new Array(8).fill(0), current_price: price },
  };
}

test("with exchanges chosen all that is held is of them: snapshots of the socket, which are of all, are ignored", () => {
  const { market, changes } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 9, { price: 105 }));
  market.takeHistory(decodeHistory(made.bytes), ["okx"]);
  market.takeSnapshot(snapshot(END + 1, 10, { price: 105 }));
  assert.equal(market.now?.price, undefined);
  changes.length = 0;
  market.takeColumns(columns({ long: [0, 0, 7000, 0, 0, 0, 0, 0], price: 104 }), { asNow: true });
  assert.equal(market.now?.price, 104);
  assert.equal(market.now?.grid.long[2], 7000);
  assert.equal(DEQUANTISED[market.matrix?.column(4)?.long[2] ?? 0], DEQUANTISED[quantise(7000)]);
  assert.deepEqual(market.exchanges, ["binance", "okx"]);
  assert.ok(changes.includes("now"));
});

test("back to all exchanges nothing of the chosen ones is left", () => {
  const { market } = newMarket();
  market.takeHistory(decodeHistory(made.bytes), ["okx"]);
  market.takeColumns(columns({ seq: 99, mix: { groups: ["to 10x"], p0: 100, step: 1, long: [[]], short: [[]] } }), { asNow: true });
  market.takeLiquidations({ data: [{ timestamp: END - 5, exchange: "okx", side: "long", price: 101, quantity: 2, notional_usd: 202 }] }, { whole: true });
  market.takeHistory(decodeHistory(made.bytes));
  assert.deepEqual([market.now, market.mix, market.liquidations, market.chosen], [null, null, [], []]);
  market.takeSnapshot(snapshot(END + 1, 3, { price: 105 }));
  assert.equal(market.now?.price, 105);
});

test("a history loaded again keeps what is known of the same exchanges", () => {
  const { market } = newMarket();
  market.takeHistory(decodeHistory(made.bytes), ["okx", "binance"]);
  market.takeColumns(columns(), { asNow: true });
  market.takeHistory(decodeHistory(made.bytes), ["okx", "binance"]);
  assert.equal(market.now?.price, 103);
});

test("liquidations requested twice are counted once", () => {
  const { market } = newMarket();
  const event = { timestamp: END - 5, exchange: "binance", side: "long", price: 101, quantity: 2, notional_usd: 202 };
  market.takeLiquidations({ data: [event], totals: [] }, { whole: true });
  market.takeLiquidations({ data: [event, { ...event, timestamp: END - 4 }], totals: [] }, { whole: false });
  assert.equal(market.liquidations.length, 2);
});

test("looked back, what is shown is the column's own state, and now goes on beneath it", () => {
  const { market, changes } = newMarket();
  market.takeSnapshot(snapshot(END, 2, { price: 104 }));
  const matrix = /** @type {NonNullable<typeof market.matrix>} */ (market.matrix);
  changes.length = 0;
  market.lookBack(matrix.timeOf(1));
  assert.deepEqual(changes, ["now"]);
  assert.equal(market.shown?.price, matrix.candle(1)?.close);
  assert.equal(market.shown?.timeMs, matrix.timeOf(2), "a column holds what stands at its end");
  const { long } = /** @type {{ long: Uint16Array }} */ (matrix.column(1));
  assert.deepEqual(Array.from(market.shown?.grid.long ?? []), [...long].map((rung) => DEQUANTISED[rung]));
  assert.equal(market.now?.price, 104);
  assert.deepEqual(market.clusters("long"), market.clusters("long", market.now), "alerts are of now");
  market.lookBack(matrix.timeOf(99));
  assert.equal(market.shown, market.now, "of a time it does not hold it shows now");
  market.lookBack(null);
  assert.equal(market.shown, market.now);
});
