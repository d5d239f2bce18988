// @ts-check
// web/js/wire/symbol-names.js: every usual name of a market means one symbol, by the table of the Python client.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { symbolOf, symbolsOf } from "../../web/js/wire/symbol-names.js";

/** @type {[string, string][]} */
const cases = JSON.parse(readFileSync(new URL("../symbol_names.json", import.meta.url), "utf8"));

for (const [name, symbol] of cases) {
  test(`${JSON.stringify(name)} is ${JSON.stringify(symbol)}`, () => assert.equal(symbolOf(name), symbol));
}

test("a symbol named twice is one", () => {
  assert.deepEqual(symbolsOf(["eth-usdt", "BTC/USDT:USDT", "ETHUSDT"]), ["ETHUSDT", "BTCUSDT"]);
});
