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

test("what of a list is not understood is named, what is too much too", () => {
  const search = "?markets=BTCUSDT,b%20x,ETHUSDT&cells=BTCUSDT:12h,ETHUSDT:9y&venues=okx,!!&lev=0-25";
  assert.deepEqual(unreadable(search, parseState(search)), [
    "markets: b x not understood.",
    "cells: ETHUSDT:9y not understood.",
    "venues: !! not understood.",
  ]);
  const many = `?markets=${Array.from({ length: 12 }, (_, i) => `A${i}USDT`).join(",")}`;
  assert.deepEqual(unreadable(many, parseState(many)), ["markets: the first 9 are shown."]);
});

/** Parts of addresses, and what should not be in one. */
const PIECES = ["", "0", "-1", "1e308", "-1e308", "NaN", "Infinity", "1~2", "2~1", "~", "~5", "1~2~3", "null"];
PIECES.push("BTCUSDT", "BTCUSDT:12h", "BTCUSDT:12h:1", ":", ",", ",,,", "%E0%A4%A", "\u202e", "\ud83d", "<img>");
PIECES.push("0-25", "999-", "-", "99999999999999", "1790000000000~1790086400000", "x".repeat(5000), "__proto__");

test("an address of any characters is a view, and says what it does not understand", () => {
  let seed = 12345;
  const chance = (/** @type {number} */ below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed % below;
  };
  const initial = initialState();
  const keys = [...Object.keys(initial), "embed", "constructor"];
  const piece = () => PIECES[chance(PIECES.length)];
  let unread = 0;
  for (let round = 0; round < 20_000; round++) {
    const given = Array.from({ length: 1 + chance(4) }, () => {
      const text = chance(3) ? piece() : `${piece()}${[",", "~", ":", ""][chance(4)]}${piece()}`;
      return `${keys[chance(keys.length)]}=${text}`;
    });
    const search = `?${given.join(chance(9) ? "&" : "?")}`;
    const state = parseState(search);
    for (const sentence of unreadable(search, state)) {
      assert.ok(sentence.endsWith(".") && sentence.length < 400, search);
      unread++;
    }
    const numbers = [state.low, state.high, state.if, state.at, state.tape, ...state.prices, ...state.times];
    assert.ok(numbers.every((each) => each === null || Math.abs(each) < 1e15), search);
    assert.ok(state.cells.length <= 9 && state.markets.length <= 9, search);
    assert.deepEqual(Object.keys(state).sort(), Object.keys(initial).sort(), search);
    const again = parseState(`?${formatState(state)}`);
    assert.deepEqual(parseState(`?${formatState(again)}`), again, search);
  }
  assert.ok(unread > 5000);
});
