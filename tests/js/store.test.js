// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatState, initialState, parseState, Store } from "../../web/js/state/store.js";
import { intervalOf, INTERVALS_MS, WINDOW_NAMES, WINDOWS } from "../../web/js/state/windows.js";

test("an untouched view has an empty address", () => {
  assert.equal(formatState(initialState()), "");
});

test("the address restores the view", () => {
  /** @type {import("../../web/js/state/store.js").ViewState} */
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
  };
  assert.deepEqual(parseState(`?${formatState(state)}`), state);
});

test("what an address says wrongly is as if it were not there", () => {
  const hostile = "?symbol=<img onerror=x>&window=2y&grid=7&low=-5&high=1e9&prices=9~1&times=a~b&lock=yes&palette=jet&venues=%3Cb%3E";
  assert.deepEqual(parseState(hostile), initialState());
});

test("parameters of others are kept", () => {
  assert.equal(formatState({ ...initialState(), window: "7d" }, "?embed=1"), "embed=1&window=7d");
});

test("listeners hear only of what really changed", () => {
  const store = new Store(initialState());
  /** @type {string[][]} */
  const heard = [];
  store.subscribe((_, changed) => heard.push([...changed]));
  store.set({ window: "3d", times: [] });
  store.set({ window: "7d", times: [] });
  assert.deepEqual(heard, [["window"]]);
});

test("every window is drawn with 140 to 1,100 columns, and never finer than the bars there are", () => {
  for (const name of WINDOW_NAMES) {
    const columns = WINDOWS[name].spanMs / INTERVALS_MS[intervalOf(name, "1m")];
    assert.ok(columns >= 140 && columns <= 1100, `${name} ${columns}`);
    assert.ok(INTERVALS_MS[intervalOf(name, "1h")] >= INTERVALS_MS["1h"]);
  }
});
