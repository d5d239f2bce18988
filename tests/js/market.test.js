// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { RUNG_USD, rungOf } from "../../web/js/data/ladder.js";
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

/** @param {number} timeMs @param {number} seq @param {Partial<{ p0: number, step: number, long: number[], short: number[], price: number, epoch: number }>} [given] */
function snapshot(timeMs, seq, { p0 = 100, step = 1, long = new Array(8).fill(0), short = new Array(8).fill(0), price = 103, epoch = 1 } = {}) {
  return {
    symbol: "BTCUSDT", timeMs, epoch, seq, stale: false, source: "simulated", quality: [], kernel: "tiered",
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

test("live levels land on their rows, in rungs, and lift and lower the candle", () => {
  const { market } = newMarket();
  const long = [0, 0, 7000, 0, 0, 0, 0, 0];
  market.takeSnapshot(snapshot(END + 5000, 2, { long, price: 107 }));
  market.takeSnapshot(snapshot(END + 6000, 3, { long, price: 101 }));
  const column = market.matrix?.column(4);
  assert.equal(RUNG_USD[column?.long[2] ?? 0], RUNG_USD[rungOf(7000)]);
  const candle = market.matrix?.candle(4);
  assert.equal(candle?.high, 107);
  assert.ok((candle?.low ?? 999) <= 101);
  assert.equal(candle?.close, 101);
});

test("a finer live grid is summed into the history's rows", () => {
  const { market } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 2, { p0: 100, step: 0.5, long: [0, 0, 3000, 2000, 0, 0, 0], short: new Array(7).fill(0) }));
  const long = market.matrix?.column(4)?.long ?? [];
  assert.equal(RUNG_USD[long[1]] + RUNG_USD[long[2]], RUNG_USD[rungOf(3000)] + RUNG_USD[rungOf(2000)]);
});

test("rows beyond the live grid stay as they stood", () => {
  const { market } = newMarket();
  const before = market.matrix?.column(3)?.long[7];
  market.takeSnapshot(snapshot(END + 1, 2, { long: [900, 900], short: [0, 0] }));
  assert.equal(market.matrix?.column(4)?.long[7], before);
});

test("what is older than what is held is dropped; a new epoch never is", () => {
  const { market } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 9, { price: 105 }));
  market.takeSnapshot(snapshot(END + 1, 8, { price: 101 }));
  assert.equal(market.now?.price, 105);
  market.takeSnapshot(snapshot(END + 1, 1, { price: 102, epoch: 2 }));
  assert.equal(market.now?.price, 102);
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

test("with venues chosen all that is held is of them: the socket, which speaks of all, is not heard", () => {
  const { market, changes } = newMarket();
  market.takeSnapshot(snapshot(END + 1, 9, { price: 105 }));
  market.takeHistory(decodeHistory(made.bytes), ["okx"]);
  market.takeSnapshot(snapshot(END + 1, 10, { price: 105 }));
  assert.equal(market.now?.price, undefined);
  changes.length = 0;
  market.takeColumns(columns({ long: [0, 0, 7000, 0, 0, 0, 0, 0], price: 104 }), { asNow: true });
  assert.equal(market.now?.price, 104);
  assert.equal(market.now?.grid.long[2], 7000);
  assert.equal(RUNG_USD[market.matrix?.column(4)?.long[2] ?? 0], RUNG_USD[rungOf(7000)]);
  assert.deepEqual(market.venues, ["binance", "okx"]);
  assert.ok(changes.includes("now"));
});

test("back to all venues nothing of the chosen ones is left", () => {
  const { market } = newMarket();
  market.takeHistory(decodeHistory(made.bytes), ["okx"]);
  market.takeColumns(columns({ seq: 99, mix: { groups: ["to 10x"], p0: 100, step: 1, long: [[]], short: [[]] } }), { asNow: true });
  market.takeLiquidations({ data: [{ timestamp: END - 5, exchange: "okx", side: "long", price: 101, quantity: 2, notional_usd: 202 }] }, { whole: true });
  market.takeHistory(decodeHistory(made.bytes));
  assert.deepEqual([market.now, market.mix, market.liquidations, market.chosen], [null, null, [], []]);
  market.takeSnapshot(snapshot(END + 1, 3, { price: 105 }));
  assert.equal(market.now?.price, 105);
});

test("a history loaded again keeps what is known of the same venues", () => {
  const { market } = newMarket();
  market.takeHistory(decodeHistory(made.bytes), ["okx", "binance"]);
  market.takeColumns(columns(), { asNow: true });
  market.takeHistory(decodeHistory(made.bytes), ["okx", "binance"]);
  assert.equal(market.now?.price, 103);
});

test("liquidations asked for twice are counted once", () => {
  const { market } = newMarket();
  const event = { timestamp: END - 5, exchange: "binance", side: "long", price: 101, quantity: 2, notional_usd: 202 };
  market.takeLiquidations({ data: [event], totals: [] }, { whole: true });
  market.takeLiquidations({ data: [event, { ...event, timestamp: END - 4 }], totals: [] }, { whole: false });
  assert.equal(market.liquidations.length, 2);
});
