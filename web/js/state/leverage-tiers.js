// @ts-check
/**
 * Which leverage tiers are shown, and how that is written: 0-25 in the address, ≤25x on the page.
 * @module
 */

/** Upper ends of the tiers, but of the last, which has none. */
const BOUNDS = [10, 25, 50, 100];
export const TIER_COUNT = BOUNDS.length + 1;
/** What a key turns through: all, at most 25x, at least 50x. */
export const TIER_SETS = [[], [0, 1], [3, 4]];

/**
 * Tiers that follow one another as one: first and last.
 * @param {number[]} tiers ascending
 * @returns {[number, number][]}
 */
function runs(tiers) {
  /** @type {[number, number][]} */
  const found = [];
  for (const tier of tiers) {
    const last = found.at(-1);
    if (last && last[1] === tier - 1) last[1] = tier;
    else found.push([tier, tier]);
  }
  return found;
}

/**
 * @param {number[]} tiers ascending; empty: all
 * @returns {string} as in an address: 0-25,50-
 */
export function formatTiers(tiers) {
  return runs(tiers)
    .map(([from, to]) => `${from ? BOUNDS[from - 1] : 0}-${BOUNDS[to] ?? ""}`)
    .join(",");
}

/**
 * @param {string} text as in an address
 * @returns {number[] | undefined} ascending, empty for all; undefined: not understood
 */
export function parseTiers(text) {
  /** @type {Set<number>} */
  const tiers = new Set();
  for (const part of text.split(",")) {
    const [, low, high] = /^(\d{1,3})-(\d{0,3})$/.exec(part) ?? [];
    const from = low === "0" ? 0 : BOUNDS.indexOf(Number(low)) + 1;
    const to = high ? BOUNDS.indexOf(Number(high)) : BOUNDS.length;
    if (low === undefined || (!from && low !== "0") || to < from) return undefined;
    for (let tier = from; tier <= to; tier++) tiers.add(tier);
  }
  return tiers.size === TIER_COUNT ? [] : [...tiers].sort((a, b) => a - b);
}

/**
 * @param {number[]} tiers ascending; empty: all
 * @returns {string} e.g. ≤25x, ≥50x, 10-25x and ≥100x; empty: all
 */
export function tiersText(tiers) {
  return runs(tiers)
    .map(([from, to]) => {
      if (!from) return `≤${BOUNDS[to]}x`;
      return to === BOUNDS.length ? `≥${BOUNDS[from - 1]}x` : `${BOUNDS[from - 1]}-${BOUNDS[to]}x`;
    })
    .join(" and ");
}

/**
 * @param {number[]} tiers that are shown; empty: all
 * @param {number} tier to show or to leave out
 * @returns {number[]} none left is all
 */
export function toggledTier(tiers, tier) {
  const shown = new Set(tiers.length ? tiers : Array.from({ length: TIER_COUNT }, (_, i) => i));
  if (!shown.delete(tier)) shown.add(tier);
  return shown.size === TIER_COUNT ? [] : [...shown].sort((a, b) => a - b);
}
