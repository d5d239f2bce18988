// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { chancesOf, nextHourOf, reportedText, sentenceOf, verdictsOf } from "../../web/js/panels/forecast.js";

/** @param {string} verdict */
function horizon(verdict) {
  return {
    until_ms: 2,
    long: { expected_usd: 4.1e6, quantiles_usd: { 0.1: 0.9e6, 0.5: 3e6, 0.9: 17e6 } },
    short: { expected_usd: 2e6, quantiles_usd: null },
    reach: { log_distance: [0, 0.01, 0.04], chance: [0.98, 0.4, 0.004] },
    skill: { verdict },
  };
}

test("a mean above its own range has the median beside it", () => {
  const forecast = { time_ms: 1, exchanges: ["okx"], horizons: {} };
  const given = horizon("");
  given.long = { expected_usd: 2e6, quantiles_usd: { 0.1: 1e4, 0.5: 2e5, 0.9: 1e6 } };
  assert.match(
    sentenceOf(forecast, "hour", given),
    /\$2\.00M longs \(80 %: \$10\.0K to \$1\.00M, median \$200K\)/,
  );
});

test("what is expected says of which exchanges, with its range where one is known", () => {
  const forecast = { time_ms: 1, exchanges: ["binance", "bybit"], horizons: {} };
  assert.equal(
    sentenceOf(forecast, "hour", horizon("")),
    "Expected in the next hour on binance, bybit: $4.10M longs (80 %: $900K to $17.0M), $2.00M shorts.",
  );
});

test("USD are as the exchanges report them, and those that tell less than all are named", () => {
  assert.equal(
    reportedText(["binance", "bybit", "okx"]),
    "USD as binance, bybit, okx report them; binance tells only the largest per second; okx tells one per second.",
  );
  assert.equal(reportedText(["bybit"]), "USD as bybit reports them.");
  assert.equal(reportedText(["simulated", "simulated-2"]), "");
});

test("the chance is of the next big clusters, as the ladder names them", () => {
  const given = { name: "hour", horizon: horizon("") };
  assert.equal(
    chancesOf(given, [101_005.01, 99_501.25], 100_000, 0),
    "Chance to reach the next big cluster within the hour: 101,005 (40 %), 99,501 (69 %).",
  );
  assert.match(chancesOf(given, [101_005.01], 101_005.01, 0), /\(98 %\)/, "from the price now");
  assert.match(chancesOf(given, [104_080], 100_000, 0), /\(< 1 %\)/);
  assert.equal(chancesOf(given, [], 100_000, 0), "");
  assert.equal(chancesOf({ name: "hour", horizon: { ...given.horizon, reach: undefined } }, [101_000], 100_000, 0), "");
});

test("horizons of which the same may be claimed stand together", () => {
  const [fresh, none] = ["not checked on this market yet (0 of 14 days)", "no skill shown"].map(horizon);
  assert.deepEqual(
    verdictsOf([
      { name: "half-hour", horizon: fresh },
      { name: "hour", horizon: fresh },
      { name: "four hours", horizon: none },
    ]),
    ["Next half-hour, next hour: not checked on this market yet (0 of 14 days).", "Next four hours: no skill shown."],
  );
});

/**
 * @param {string} verdict
 * @param {[number, number, number]} naive gain over the best naive map, with its interval
 */
function graded(verdict, [gain, ...ci]) {
  const plain = { gain: 0.03, ci: [0.02, 0.04] };
  return {
    "1h": {
      rank: { with_map: 0.437, ...plain, gain_over_strongest: plain, gain_over_naive_map: { gain, ci } },
      rows: { "AR+vol": { rank: 0.387 } },
      verdict,
      windows: 838,
      reason: null,
    },
  };
}

test("the next hour's grades claim the map's part by the smallest gain", () => {
  assert.equal(
    nextHourOf(graded("skill shown; the map's part not shown", [-0.003, -0.007, 0.002])),
    "Next hour: rank correlation 0.44 (history and expected range alone 0.39; 838 hours). " +
      "The map's own part: −0.003 (95 %: −0.007 to +0.002): not shown.",
  );
  assert.match(nextHourOf(graded("skill shown; the map's part shown", [0.01, 0.005, 0.02])), /: shown\.$/);
  assert.match(nextHourOf(graded("no skill shown here yet", [0.01, -0.01, 0.02])), /hours\)\. No skill shown here yet\. The map/);
});

test("where there are no grades the reason stands, and without a forecast nothing", () => {
  const none = graded("no skill shown here yet", [0, 0, 0]);
  none["1h"] = { ...none["1h"], rows: /** @type {any} */ (null), reason: /** @type {any} */ ("60 windows are needed") };
  assert.equal(nextHourOf(none), "Next hour: no skill shown here yet: 60 windows are needed.");
  assert.equal(nextHourOf(undefined), "");
});
