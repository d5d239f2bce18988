// @ts-check
/**
 * What a viewer chooses on the page of all markets: the column it is sorted by and the search, as its address
 * has them.
 * @module
 */

/** @typedef {"market" | "price" | "change" | "above" | "below" | "imbalance2" | "imbalance5" | "liquidated"
 * | "funding" | "oi" | "oi24"} ColumnKey */
/**
 * @typedef {object} MarketView
 * @property {ColumnKey} sort
 * @property {boolean} descending
 * @property {string} q part of a market's name; empty: all
 */

/** @type {readonly ColumnKey[]} in the order they are shown */
export const COLUMN_KEYS = [
  "market",
  "price",
  "change",
  "above",
  "below",
  "imbalance2",
  "imbalance5",
  "liquidated",
  "funding",
  "oi",
  "oi24",
];
/** @type {Readonly<MarketView>} */
const INITIAL = { sort: "oi", descending: true, q: "" };
const LONGEST_QUERY = 40;

/**
 * @param {string} search e.g. "?sort=-change&q=eth": a minus sorts from the largest
 * @returns {MarketView & { unreadable: string }} `unreadable`: a sentence about what is not understood, or ""
 */
export function parseMarketView(search) {
  const given = new URLSearchParams(search);
  const text = given.get("sort") ?? "";
  const name = text.replace(/^-/, "").toLowerCase();
  const sort = COLUMN_KEYS.find((key) => key === name);
  const order = sort ? { sort, descending: text.startsWith("-") } : INITIAL;
  const unreadable = text && !sort ? `sort=${text.slice(0, 40)}: not ${COLUMN_KEYS.join(", ")}.` : "";
  return { ...INITIAL, ...order, q: (given.get("q") ?? "").slice(0, LONGEST_QUERY), unreadable };
}

/**
 * @param {MarketView} view
 * @param {string} search whose other parameters are kept
 * @returns {string} the query without "?"; what is the default is not in it
 */
export function formatMarketView({ sort, descending, q }, search) {
  const query = new URLSearchParams(search);
  query.delete("sort");
  query.delete("q");
  if (sort !== INITIAL.sort || descending !== INITIAL.descending) {
    query.set("sort", `${descending ? "-" : ""}${sort}`);
  }
  if (q) query.set("q", q);
  return query.toString();
}

/**
 * The view after a column's heading is chosen: the largest first, names from A; the same column again turns.
 * @param {MarketView} view
 * @param {ColumnKey} sort
 * @returns {MarketView}
 */
export function sortedBy(view, sort) {
  const descending = view.sort === sort ? !view.descending : !["market", "above"].includes(sort);
  return { ...view, sort, descending };
}
