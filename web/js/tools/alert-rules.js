// @ts-check
/**
 * When to raise an alert: the price near a large cluster, a cascade of liquidations, or the price crossing
 * a level.
 * @module
 */

import { price as priceText, signedPercent, usd } from "../data/format.js";

/**
 * @typedef {object} Rules
 * @property {{ on: boolean, percent: number, usd: number }} near the price within `percent` of a cluster of
 * at least `usd`
 * @property {{ on: boolean, minutes: number, usd: number }} cascade at least `usd` liquidated within
 * `minutes`
 * @property {{ symbol: string, price: number }[]} levels prices whose crossing raises an alert
 * @property {boolean} notify by the browser
 * @property {boolean} sound
 */
/**
 * @typedef {{ [K in keyof Rules]?: Partial<Rules[K]> | null }} KeptRules as read from the browser's storage
 */
/** @typedef {{ key: string, symbol: string, text: string }} Alert */
/**
 * @typedef {object} Seen
 * @property {string} symbol
 * @property {number} timeMs
 * @property {number} price
 * @property {number | null} before the price of the snapshot before
 * @property {import("../data/clusters.js").Cluster[]} clusters of both sides
 * @property {{ timeMs: number, usd: number }[]} liquidations by time
 */

/** Prices whose crossing is watched, at most. */
export const MOST_LEVELS = 50;
/** The same cluster, cascade or crossing of a price raises another alert only after this long. */
const QUIET_MS = 600_000;

/** @returns {Rules} all off */
export function noRules() {
  return {
    near: { on: false, percent: 0.5, usd: 5_000_000 },
    cascade: { on: false, minutes: 5, usd: 1_000_000 },
    levels: [],
    notify: false,
    sound: false,
  };
}

/**
 * @param {unknown} raw as kept in the browser
 * @returns {Rules} whatever was damaged is as if never set
 */
export function readRules(raw) {
  const rules = noRules();
  if (typeof raw !== "object" || raw === null) return rules;
  const given = /** @type {KeptRules} */ (raw);
  const positive = (/** @type {unknown} */ value, /** @type {number} */ otherwise) =>
    typeof value === "number" && value > 0 && Number.isFinite(value) ? value : otherwise;
  rules.near = {
    on: given.near?.on === true,
    percent: positive(given.near?.percent, rules.near.percent),
    usd: positive(given.near?.usd, rules.near.usd),
  };
  rules.cascade = {
    on: given.cascade?.on === true,
    minutes: positive(given.cascade?.minutes, rules.cascade.minutes),
    usd: positive(given.cascade?.usd, rules.cascade.usd),
  };
  const levels = /** @type {Rules["levels"]} */ (Array.isArray(given.levels) ? given.levels : []);
  rules.levels = levels
    .filter((level) => typeof level?.symbol === "string" && positive(level?.price, 0) > 0)
    .slice(0, MOST_LEVELS);
  rules.notify = given.notify === true;
  rules.sound = given.sound === true;
  return rules;
}

/**
 * @param {Rules} rules
 * @returns {boolean} whether anything is watched
 */
export function watches({ near, cascade, levels }) {
  return near.on || cascade.on || levels.length > 0;
}

/**
 * The alerts due now. Those raised within the last ten minutes are left out.
 * @param {Rules} rules
 * @param {Seen} seen
 * @param {Map<string, number>} raisedAt when each was last raised, UTC ms by key; updated
 * @returns {Alert[]}
 */
export function due(rules, seen, raisedAt) {
  // A server that started again may be earlier in its market: what was raised later is no part of that.
  const found = [...near(rules, seen), ...cascade(rules, seen), ...crossed(rules, seen)].filter(
    ({ key }) => Math.abs(seen.timeMs - (raisedAt.get(key) ?? -Infinity)) >= QUIET_MS,
  );
  for (const { key } of found) raisedAt.set(key, seen.timeMs);
  return found;
}

/**
 * @param {Rules} rules
 * @param {Seen} seen
 * @returns {Alert[]}
 */
function near({ near: rule }, { symbol, price, clusters }) {
  if (!rule.on) return [];
  return clusters
    .filter((cluster) => cluster.usd >= rule.usd && Math.abs(cluster.price / price - 1) * 100 <= rule.percent)
    .map((cluster) => {
      const away = signedPercent(cluster.price / price - 1);
      return {
        // Clusters drift by a level or two: half a percent of price is the same cluster.
        key: `near|${symbol}|${cluster.side}|${Math.round(Math.log(cluster.price) / 0.005)}`,
        symbol,
        text: `${usd(cluster.usd)} of ${cluster.side}s at ${priceText(cluster.price)}, ${away} away`,
      };
    });
}

/**
 * @param {Rules} rules
 * @param {Seen} seen
 * @returns {Alert[]}
 */
function cascade({ cascade: rule }, { symbol, timeMs, liquidations }) {
  if (!rule.on) return [];
  let total = 0;
  for (
    let i = liquidations.length - 1;
    i >= 0 && liquidations[i].timeMs > timeMs - rule.minutes * 60_000;
    i--
  )
    total += liquidations[i].usd;
  if (total < rule.usd) return [];
  return [{ key: `cascade|${symbol}`, symbol, text: `${usd(total)} liquidated within ${rule.minutes} min` }];
}

/**
 * @param {Rules} rules
 * @param {Seen} seen
 * @returns {Alert[]}
 */
function crossed({ levels }, { symbol, price, before }) {
  if (before === null) return [];
  return levels
    .filter(
      (level) =>
        level.symbol === symbol &&
        before !== price &&
        (before - level.price) * (price - level.price) <= 0 &&
        before !== level.price,
    )
    .map((level) => {
      const text = `crossed ${priceText(level.price)} ${price > before ? "upwards" : "downwards"}`;
      return { key: `level|${symbol}|${level.price}|${text}`, symbol, text };
    });
}
