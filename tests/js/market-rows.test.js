// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { isNewer } from "../../web/js/data/market-poll.js";
import { COLUMNS, orderOf, rowsOf } from "../../web/js/data/market-rows.js";
import { COLUMN_KEYS, formatMarketView, parseMarketView, sortedBy } from "../../web/js/state/market-view.js";

const TABLE = {
  timestamp: "2025-12-28T14:30:00Z",
  epoch: 5,
  seq: 3,
  symbols: ["BTCUSDT", "ETHUSDT", "NEWUSDT"],
  fields: {
    price: [100_000, 3000, null],
    price_24h: [80_000, 3300, null],
    above_price: [101_000, null, null],
    above_usd: [12_300_000, null, null],
    imbalance_2: [-0.42, 0.001, null],
    long_liquidated_24h: [3_000_000, 0, null],
    short_liquidated_24h: [1_000_000, 0, null],
    funding: [0.0001, -0.00000001, null],
    open_interest: [5e9, 9e9, null],
    open_interest_24h: [-1.5, 0, null],
    stale: [false, true, false],
  },
};
const ROWS = rowsOf(TABLE);
/** @param {string} symbol @param {string} key */
const cell = (symbol, key) => COLUMNS.find((column) => column.key === key)?.cell(ROWS.get(symbol) ?? {});

test("each column shows its figure, and a dash for what is not known", () => {
  assert.deepEqual(
    COLUMNS.map(({ key }) => key),
    COLUMN_KEYS,
  );
  assert.deepEqual(cell("BTCUSDT", "price"), { text: "100,000.0" });
  assert.deepEqual(cell("BTCUSDT", "change"), { text: "+25.00 %", tone: "up" });
  assert.deepEqual(cell("ETHUSDT", "change"), { text: "−9.09 %", tone: "down" });
  assert.deepEqual(cell("BTCUSDT", "above"), { text: "+1.0 %", more: "$12.3M" });
  assert.deepEqual(cell("BTCUSDT", "imbalance2"), { text: "−42 %", tone: "long" });
  assert.deepEqual(cell("BTCUSDT", "liquidated"), { text: "$4.00M", longs: 0.75 });
  assert.deepEqual(cell("ETHUSDT", "liquidated"), { text: "$0", longs: undefined });
  assert.deepEqual(cell("BTCUSDT", "funding"), { text: "+0.0100 %", tone: "up" });
  assert.deepEqual(cell("BTCUSDT", "oi24"), { text: "−1.5 %", tone: "down" });
  assert.deepEqual(cell("BTCUSDT", "oi"), { text: "$5.00B" });
  for (const { key } of COLUMNS.slice(1)) assert.equal(cell("NEWUSDT", key)?.text, "–", key);
});

test("what rounds to zero has neither sign nor colour", () => {
  assert.deepEqual(cell("ETHUSDT", "funding"), { text: "0.0000 %", tone: "" });
  assert.deepEqual(cell("ETHUSDT", "imbalance2"), { text: "0 %", tone: "" });
});

test("rows are sorted either way, what is not known last, and searched by a part of the name", () => {
  const order = (/** @type {string} */ search) => orderOf(ROWS, parseMarketView(search)).map((name) => name[0]).join("");
  assert.equal(order(""), "EBN");
  assert.equal(order("?sort=oi"), "BEN");
  assert.equal(order("?sort=change"), "EBN");
  assert.equal(order("?sort=-change"), "BEN");
  assert.equal(order("?sort=-market"), "NEB");
  assert.equal(order("?sort=above"), "BEN"); // two without a cluster: by name
  assert.equal(order("?q=ethu"), "E");
  assert.equal(order("?q=ETH/USDT:USDT"), "E");
  assert.equal(order("?q=nosuch"), "");
});

test("the address holds the view, and only what differs from the default", () => {
  const said = (/** @type {string} */ search) => formatMarketView(parseMarketView(search), search);
  assert.equal(said("?sort=-oi"), "");
  assert.equal(said("?sort=CHANGE&q=e%20t&x=1"), "x=1&sort=change&q=e+t");
  assert.equal(parseMarketView("?sort=-change").unreadable, "");
  const wrong = parseMarketView("?sort=-size");
  assert.deepEqual([wrong.sort, wrong.descending], ["oi", true]);
  assert.match(wrong.unreadable, /^sort=-size: not market, price, /);
});

test("a heading sorts from the largest, names and distances upwards from the smallest; again it turns", () => {
  const start = parseMarketView("");
  assert.deepEqual([sortedBy(start, "oi").descending, sortedBy(start, "funding").descending], [false, true]);
  assert.deepEqual([sortedBy(start, "market").descending, sortedBy(start, "above").descending], [false, false]);
  assert.equal(sortedBy(start, "below").descending, true); // distances below are negative
});

test("a fetched table counts only if it is newer than the one held", () => {
  assert.equal(isNewer(TABLE, null), true);
  assert.equal(isNewer(TABLE, { ...TABLE, seq: 2 }), true);
  assert.equal(isNewer(TABLE, TABLE), false);
  assert.equal(isNewer(TABLE, { ...TABLE, epoch: 6, seq: 1 }), false);
});
