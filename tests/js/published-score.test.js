// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { verdict } from "../../web/js/panels/accuracy.js";
import { PUBLISHED, publishedSpan } from "../../web/js/panels/published-score.js";

/** The docs' names of what is in the score. @type {[string, (mean: typeof PUBLISHED.mean) => unknown][]} */
const ROWS = [
  ["best prediction", (mean) => mean.model.spearman],
  ["with the bar's own entries", (mean) => mean.with_same_bar.spearman],
  ["the drawn map", (mean) => mean.drawn_map.spearman],
  ["B3 uniform", (mean) => mean.baselines.uniform.spearman],
  ["B5 uniform x range", (mean) => mean.baselines.uniform_range.spearman],
  ["B1 excursion", (mean) => mean.baselines.excursion.spearman],
  ["B2 extreme", (mean) => mean.baselines.extreme.spearman],
  ["one-sided", (mean) => mean.baselines.one_sided.spearman],
];

test("what the page calls published is what docs/model.md publishes", () => {
  const docs = readFileSync(new URL("../../docs/model.md", import.meta.url), "utf8");
  const { symbol, exchange, from, to, n } = PUBLISHED;
  const head = `${symbol} on ${exchange}, ${from} to ${to}: ${n.toLocaleString("en")} intervals of 1h`;
  const block = docs.slice(docs.indexOf(head));
  assert.ok(block.startsWith(head), head);
  const mean = block.slice(block.indexOf("mean of sides"), block.indexOf("\n```"));
  for (const [name, value] of ROWS) {
    const figure = mean.split("\n").find((line) => line.startsWith(`${name} `));
    assert.equal(Number(figure?.slice(name.length).trim().split(" ")[0]), value(PUBLISHED.mean), name);
  }
});

test("the published result is one sentence, and has its dates", () => {
  assert.equal(publishedSpan(), "25 Feb 2026 to 1 Apr 2026");
  assert.match(verdict(PUBLISHED), /^Over 8\d\d hours the drawn map ranks liquidations .* than the best simple rule \(0\.\d\d against 0\.\d\d\); with the bar's own moves it is .*\.$/);
});
