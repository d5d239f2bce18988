// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCells, withCells } from "../../web/js/state/cells.js";
import { cellsOf, MOST_LAYOUTS, removeLayout, savedLayouts, saveLayout } from "../../web/js/state/layouts.js";
import { keep } from "../../web/js/state/storage.js";
import { formatState, initialState, parseState, unreadable, ViewStore } from "../../web/js/state/view-state.js";
import { wantedOf } from "../../web/js/tools/market-search.js";

const TWO = ["BTCUSDT:12h", "BTCUSDT:7d"];

test("a link of cells has them, each once, nine at most; the first is in focus unless the link says which", () => {
  assert.deepEqual(parseCells("btcusdt:12H,BTCUSDT:7d,BTCUSDT:12h,x:7d,ETHUSDT:5y,ETHUSDT"), TWO);
  assert.equal(parseCells("BTCUSDT,<b>:7d"), undefined);
  assert.equal(parseCells(Array.from({ length: 12 }, (_, i) => `M${i}USDT:7d`).join())?.length, 9);
  const state = parseState("?cells=BTCUSDT:12h,BTCUSDT:7d");
  assert.deepEqual([state.symbol, state.window, state.cells], ["BTCUSDT", "12h", TWO]);
  assert.equal(parseState("?symbol=BTCUSDT&window=7d&cells=BTCUSDT:12h,BTCUSDT:7d").window, "7d");
  assert.equal(formatState(state), "symbol=BTCUSDT&cells=BTCUSDT:12h,BTCUSDT:7d&window=12h");
  assert.deepEqual(parseState(`?${formatState(state)}`), state);
  assert.match(unreadable("?cells=7", initialState())[0], /^cells=7: not maps, as BTCUSDT:12h/);
});

test("links from before there were cells have none", () => {
  const old = parseState("?symbol=ETHUSDT&grid=4&markets=ETHUSDT,SOLUSDT&window=7d");
  assert.deepEqual([old.cells, old.grid, old.markets, old.window], [[], 4, ["ETHUSDT", "SOLUSDT"], "7d"]);
  assert.deepEqual(withCells(old, { symbol: "SOLUSDT" }), { symbol: "SOLUSDT" });
});

test("another market or window is the focused cell's; one that is there already takes the focus; cells keep one", () => {
  const store = new ViewStore(parseState("?cells=BTCUSDT:12h,BTCUSDT:7d"));
  store.set({ window: "3d" });
  assert.deepEqual(store.state.cells, ["BTCUSDT:3d", "BTCUSDT:7d"]);
  store.set({ window: "7d" });
  assert.deepEqual(store.state.cells, ["BTCUSDT:3d", "BTCUSDT:7d"]);
  store.set({ symbol: "ETHUSDT" });
  assert.deepEqual(store.state.cells, ["BTCUSDT:3d", "ETHUSDT:7d"]);
  store.set({ cells: ["SOLUSDT:1h", "BTCUSDT:3d"] });
  assert.deepEqual([store.state.symbol, store.state.window], ["SOLUSDT", "1h"]);
});

test("layouts are kept by name, the newest first; what is damaged is none", () => {
  saveLayout("a", TWO);
  saveLayout("b", ["ETHUSDT:1h"]);
  saveLayout("a", ["SOLUSDT:1h"]);
  assert.deepEqual(savedLayouts(), [
    { name: "a", cells: ["SOLUSDT:1h"] },
    { name: "b", cells: ["ETHUSDT:1h"] },
  ]);
  removeLayout("a");
  assert.deepEqual(savedLayouts().map(({ name }) => name), ["b"]);
  for (let i = 0; i < 30; i++) saveLayout(`n${i}`, TWO);
  assert.equal(savedLayouts().length, MOST_LAYOUTS);
  for (const bad of ["{", "7", '[[1, 2], null, ["x", "y"]]']) {
    keep("liqstream.layouts", bad);
    assert.deepEqual(savedLayouts(), []);
  }
  assert.deepEqual(cellsOf({ ...initialState(), window: "7d" }, ["A1", "B2"]), ["A1:7d", "B2:7d"]);
});

test("a search is a part of a market's name, and a window behind it", () => {
  assert.deepEqual(wantedOf(" sol 7D "), { name: "SOL", whole: "SOL", window: "7d" });
  assert.deepEqual(wantedOf("btc/usdt"), { name: "BTCUSDT", whole: "BTCUSDT", window: undefined });
  assert.deepEqual(wantedOf("1h"), { name: "1H", whole: "1H", window: undefined });
  assert.deepEqual(wantedOf("kPEPE 12h"), { name: "KPEPE", whole: "PEPEUSDT", window: "12h" });
  assert.equal(wantedOf("BTC/USDT:USDT").whole, "BTCUSDT");
  assert.equal(wantedOf("\uff42\uff54\uff43").name, "BTC");
});
