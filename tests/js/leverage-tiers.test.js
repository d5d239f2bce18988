// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTiers, parseTiers, tiersText, toggledTier } from "../../web/js/state/leverage-tiers.js";

test("every set of tiers is written in an address and read back", () => {
  for (let set = 1; set < 31; set++) {
    const tiers = [0, 1, 2, 3, 4].filter((tier) => set & (1 << tier));
    assert.deepEqual(parseTiers(formatTiers(tiers)), tiers, formatTiers(tiers));
  }
  assert.equal(formatTiers([3, 4]), "50-");
  assert.equal(formatTiers([0, 1]), "0-25");
  assert.deepEqual(parseTiers("0-"), []);
  for (const wrong of ["", "x", "50", "25-10", "10-10", "7-25", "10-30", "-25", "50-,x"]) {
    assert.equal(parseTiers(wrong), undefined, wrong);
  }
});

test("they are named as the page writes leverage", () => {
  assert.equal(tiersText([]), "");
  assert.equal(tiersText([0, 1]), "≤25x");
  assert.equal(tiersText([3, 4]), "≥50x");
  assert.equal(tiersText([1, 4]), "10-25x and ≥100x");
});

test("a tier pressed is left out and comes back; none left is all", () => {
  assert.deepEqual(toggledTier([], 0), [1, 2, 3, 4]);
  assert.deepEqual(toggledTier([1, 2, 3, 4], 0), []);
  assert.deepEqual(toggledTier([3], 3), []);
});
