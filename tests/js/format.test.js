// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock, counted, duration, leverageText, ordinal, price, signedPercent, stepDecimals, usd } from "../../web/js/data/format.js";
import { levelsCsv } from "../../web/js/tools/levels-csv.js";
import { Market } from "../../web/js/data/market.js";

test("USD are short, with three figures", () => {
  assert.deepEqual([0, 512, 1234, 12_345, 999_800, 1_234_567, 45_600_000, 1.2e9].map(usd), ["$0", "$512", "$1.23K", "$12.3K", "$1.00M", "$1.23M", "$45.6M", "$1.20B"]);
  assert.equal(usd(-1500), "−$1.50K");
});

test("prices, percent and spans are written as people write them", () => {
  assert.equal(price(98_450.25), "98,450.3");
  assert.equal(price(0.61234), "0.612340");
  assert.equal(signedPercent(-0.0123), "−1.23 %");
  assert.deepEqual([0, -0.00004, 0.00004].map((share) => signedPercent(share)), ["0.00 %", "0.00 %", "0.00 %"]);
  assert.deepEqual([-0.004, 0.006].map((share) => signedPercent(share, 0)), ["0 %", "+1 %"]);
  assert.deepEqual([1, 0, 2, 1200].map((count) => counted(count, "market")), ["1 market", "0 markets", "2 markets", "1,200 markets"]);
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 52, 93, 99.5].map(ordinal), ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "52nd", "93rd", "99.5th"]);
  assert.equal(duration(59_000), "59 s");
  assert.equal(duration(3 * 86_400_000 + 4 * 3_600_000), "3 d 4 h");
  assert.deepEqual([100, 50, 0.5, 0.02].map(stepDecimals), [0, 0, 1, 2]);
});

test("a price of any size is written to 1e-5 of itself", () => {
  for (let k = -9; k <= 7; k++) {
    for (const digits of [1.00003, 5.00003, 9.99996, 6.12345]) {
      const value = digits * 10 ** k;
      const text = price(value).replaceAll(",", "");
      assert.ok(Math.abs(Number(text) / value - 1) <= 1e-5, `${value} as ${text}`);
    }
  }
});

test("UTC is UTC whatever the viewer's zone", () => {
  const clock = new Clock(true);
  assert.equal(clock.format(Date.UTC(2026, 5, 1, 13, 5), "minute"), "13:05");
  assert.equal(clock.zone, "UTC");
});

test("the CSV names every level at which anything stands, with its leverage groups", () => {
  const market = new Market("BTCUSDT");
  market.takeColumns(
    {
      timestamp: "2026-06-01T00:00:00Z", epoch: 1, seq: 1, stale: false, source: "live", quality: [], exchanges: ["binance"],
      data: { p0: 99.5, step: 0.5, long: [1000, 0, 0], short: [0, 0, 700], current_price: 100 },
      mix: { groups: ["to 10x", "above 100x"], p0: 99.5, step: 0.5, long: [[600, 0, 0], [400, 0, 0]], short: [[0, 0, 0], [0, 0, 700]] },
    },
    { asNow: true },
  );
  assert.equal(levelsCsv(market), "price,long_usd,short_usd,to_10x_usd,above_100x_usd\r\n99.5,1000,0,600,400\r\n100.5,0,700,0,700\r\n");
});

test("a leverage group is written by its ends", () => {
  const groups = ["to 10x", "to 25x", "to 50x", "to 100x", "above 100x"];
  assert.deepEqual(groups.map((_, i) => leverageText(groups, i)), ["≤10x", "10-25x", "25-50x", "50-100x", ">100x"]);
  assert.equal(leverageText(["whale"], 0), "whale");
});

test("dates are of the calendar that exchanges count by, in every locale", (t) => {
  const { DateTimeFormat } = Intl;
  t.after(() => (Intl.DateTimeFormat = DateTimeFormat));
  // The viewer's own locale, which Node takes from its environment.
  Intl.DateTimeFormat = /** @type {any} */ (function (/** @type {any} */ _, /** @type {any} */ form) {
    return new DateTimeFormat("fa-IR", form);
  });
  assert.match(new Clock(true).format(Date.UTC(2026, 10, 27), "day"), /^27 /);
  assert.equal(new Clock(true).format(Date.UTC(2026, 10, 27), "year"), "2026");
});

test("the zone of the time axis is its offset", () => {
  assert.equal(new Clock(true).offsetText(0), "UTC");
  const clock = new Clock(false);
  for (const [minutes, text] of /** @type {[number, string][]} */ ([[60, "UTC+1"], [-210, "UTC−3:30"], [345, "UTC+5:45"], [0, "UTC"]])) {
    clock.offsetMs = () => minutes * 60_000;
    assert.equal(clock.offsetText(0), text);
  }
});
