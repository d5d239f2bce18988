// @ts-check
/**
 * Rules of the server in a trader's words, and the fields each kind of them has.
 * @module
 */

import { ordinal, price as priceText, usd } from "../data/format.js";

/** @typedef {import("../data/alerts-client.js").ServerRule} ServerRule */
/** @typedef {import("../data/alerts-client.js").Kind} Kind */

/** @type {Record<Kind, string>} */
export const KINDS = {
  sweep: "Cluster swept",
  cluster: "Cluster near the price",
  new_cluster: "New cluster",
  cascade: "Cascade of liquidations",
  price: "Price crossed",
};

/** Fields beside market and cooldown. @type {Record<Kind, ("size" | "within" | "window" | "price")[]>} */
export const FIELDS = {
  sweep: ["size"],
  cluster: ["size", "within"],
  new_cluster: ["size", "within"],
  cascade: ["size", "window"],
  price: ["price"],
};

/** Kinds whose size may be a percentile, and of what of the market. @type {Partial<Record<Kind, string>>} */
export const RANKED = {
  sweep: "percentile of its clusters",
  cluster: "percentile of its clusters",
  new_cluster: "percentile of its clusters",
  cascade: "percentile of its last day",
};

/**
 * @param {ServerRule} rule
 * @returns {string} e.g. "Cluster swept, from $5.00M, BTCUSDT, every 15 min at most"
 */
export function describe(rule) {
  const { kind, symbol = "*", min_usd, min_percentile } = rule;
  const { within_percent = 1, window_s = 60, cooldown_s = 900 } = rule;
  const fields = kind === "stale" ? [] : FIELDS[kind];
  return [
    kind === "stale" ? "Data stale" : KINDS[kind],
    kind === "price" && rule.price && priceText(rule.price),
    fields.includes("size") && min_usd && `from ${usd(min_usd)}`,
    min_percentile && `from the ${ordinal(min_percentile)} percentile`,
    fields.includes("within") && `within ${within_percent} %`,
    fields.includes("window") && `in ${minutes(window_s)} min`,
    symbol === "*" ? "all markets" : symbol,
    `every ${minutes(cooldown_s)} min at most`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** @param {number} seconds */
function minutes(seconds) {
  return Math.round(seconds / 6) / 10;
}

/**
 * @typedef {object} Draft as the form has it; figures as typed
 * @property {Kind} kind
 * @property {string} symbol "*": all markets
 * @property {number} size million USD, or a percentile
 * @property {boolean} ranked whether the size is a percentile
 * @property {number} within percent
 * @property {number} window minutes
 * @property {number} price
 * @property {number} cooldown minutes
 */

/**
 * @param {string} symbol
 * @param {number} price 0: not known
 * @returns {Draft} what the form shows first
 */
export function newDraft(symbol, price) {
  return { kind: "sweep", symbol, size: 5, ranked: false, within: 1, window: 5, price, cooldown: 15 };
}

/**
 * @param {ServerRule} rule
 * @returns {Draft}
 */
export function draftOf(rule) {
  return {
    kind: rule.kind === "stale" ? "sweep" : rule.kind,
    symbol: rule.symbol ?? "*",
    size: rule.min_percentile ?? (rule.min_usd ?? 0) / 1e6,
    ranked: rule.min_percentile !== undefined,
    within: rule.within_percent ?? 1,
    window: minutes(rule.window_s ?? 60),
    price: rule.price ?? 0,
    cooldown: minutes(rule.cooldown_s ?? 900),
  };
}

/**
 * @param {string} id
 * @param {Draft} draft
 * @returns {ServerRule} without what its kind does not have, and without a size of 0: any
 */
export function ruleOf(id, draft) {
  const { kind, symbol, size, within, window, price, cooldown } = draft;
  const has = FIELDS[kind];
  const ranked = draft.ranked && kind in RANKED;
  return {
    id,
    kind,
    symbol,
    ...(has.includes("size") && size ? (ranked ? { min_percentile: size } : { min_usd: size * 1e6 }) : {}),
    ...(has.includes("within") ? { within_percent: within } : {}),
    ...(has.includes("window") ? { window_s: window * 60 } : {}),
    ...(has.includes("price") ? { price } : {}),
    cooldown_s: cooldown * 60,
  };
}
