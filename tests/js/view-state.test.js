// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatState, initialState, parseState, unreadable, ViewStore } from "../../web/js/state/view-state.js";
import { intervalOf, INTERVALS_MS, LONG_WINDOWS, WINDOW_NAMES, WINDOWS } from "../../web/js/state/time-windows.js";

test("an untouched view has an empty address", () => {
  assert.equal(formatState(initialState()), "");
});

test("the address restores the view", () => {
  /** @type {import("../../web/js/state/view-state.js").ViewState} */
  const state = {
    ...initialState(),
    symbol: "ETHUSDT",
    markets: ["ETHUSDT", "SOLUSDT"],
    grid: 4,
    window: "7d",
    view: "density",
    side: "short",
    palette: "magma",
    scale: "log",
    lock: true,
    low: 20_000,
    high: 1_500_000,
    fit: "free",
    prices: [3100.5, 3600],
    times: [1_790_000_000_000, 1_790_086_400_000],
    logPrice: true,
    candles: false,
    candleColours: "green",
    dots: false,
    panel: false,
    venues: ["binance", "okx"],
    theme: "light",
    utc: true,
    background: true,
  };
  assert.deepEqual(parseState(`?${formatState(state)}`), state);
});

test("what is wrong in an address is as if it were not there", () => {
  const hostile = "?symbol=<img onerror=x>&window=2y&grid=7&low=-5&high=1e9&prices=9~1&times=a~b&lock=yes&palette=jet&venues=%3Cb%3E";
  assert.deepEqual(parseState(hostile), initialState());
});

test("the case of an address is forgiven; what is not understood is named with what would be", () => {
  assert.equal(parseState("?symbol=btcusdt").symbol, "BTCUSDT");
  assert.deepEqual(parseState("?markets=btcusdt,EthUSDT&venues=Binance").markets, ["BTCUSDT", "ETHUSDT"]);
  assert.equal(parseState("?window=7D").window, "7d");
  const state = parseState("?window=5y&grid=3&view=density&prices=2~1");
  assert.deepEqual(unreadable("?window=5y&grid=3&view=density&prices=2~1&embed=1", state), [
    "grid=3: not 1, 4 or 9; showing 1.",
    "window=5y: not 1h, 4h, 12h, 24h, 48h, 3d, 7d, 14d, 30d, 90d, 1y; showing 3d.",
    "prices=2~1: not two ascending numbers, as 1~2; showing the default.",
  ]);
});

test("an address says what differs from what is remembered, default or not", () => {
  const remembered = { ...initialState(), panel: false };
  assert.equal(formatState(initialState(), "", remembered), "panel=1");
  assert.equal(formatState(remembered, "", remembered), "panel=0");
});

test("parameters of others are kept", () => {
  assert.equal(formatState({ ...initialState(), window: "7d" }, "?embed=1"), "embed=1&window=7d");
});

test("listeners are called only with what really changed", () => {
  const store = new ViewStore(initialState());
  /** @type {string[][]} */
  const calls = [];
  store.subscribe((_, changed) => calls.push([...changed]));
  store.set({ window: "3d", times: [] });
  store.set({ window: "7d", times: [] });
  assert.deepEqual(calls, [["window"]]);
});

test("every window is drawn with 60 to 1,100 columns, and never finer than the bars there are", () => {
  assert.deepEqual(WINDOW_NAMES, ["1h", "4h", ...LONG_WINDOWS]);
  for (const name of ["1h", "4h"]) {
    assert.equal(intervalOf(/** @type {any} */ (name), "15m"), "1m", "kept beside the market's own bars");
  }
  for (const name of LONG_WINDOWS) {
    const columns = WINDOWS[name].spanMs / INTERVALS_MS[intervalOf(name, "1m")];
    assert.ok(columns >= 140 && columns <= 1100, `${name} ${columns}`);
    assert.ok(INTERVALS_MS[intervalOf(name, "1h")] >= INTERVALS_MS["1h"]);
  }
});

test("no low cut is 0 in the address; the default, a tenth of full colour, is nothing", () => {
  assert.equal(formatState({ ...initialState(), low: 0 }), "low=0");
  assert.equal(parseState("?low=0").low, 0);
  assert.equal(formatState({ ...initialState(), low: null }, "?low=5"), "");
  assert.equal(parseState("").low, null);
});

test("a link to the tape from before there were tabs opens it; a tab in the address wins", () => {
  assert.deepEqual([parseState("?tape=0").tab, parseState("?tape=100000").tape], ["tape", 100000]);
  assert.equal(parseState("?tape=0").tab, "tape");
  assert.equal(parseState("?tab=data&tape=5").tab, "data");
  assert.equal(parseState("").tab, "levels");
  assert.equal(formatState({ ...initialState(), tab: "tape", tape: 5000 }), "tab=tape&tape=5000");
  assert.equal(formatState(initialState(), "", { ...initialState(), tab: "data" }), "tab=levels");
});
