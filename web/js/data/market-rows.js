// @ts-check
/**
 * The columns of the table of all markets: what each shows of a market, and by what it is sorted.
 * @module
 */

import { symbolOf } from "../wire/symbol-names.js";
import { price, signedPercent, usd } from "./format.js";

/** @typedef {import("../wire/market-table.js").MarketTable} MarketTable */
/** @typedef {import("../state/market-view.js").ColumnKey} ColumnKey */
/** @typedef {import("../state/market-view.js").MarketView} MarketView */
/**
 * @typedef {Record<string, import("../wire/messages.js").MarketValue>} MarketRow by field, with its symbol
 */
/**
 * @typedef {object} Cell
 * @property {string} text
 * @property {string} [more] a second figure
 * @property {"" | "up" | "down" | "long" | "short"} [tone]
 * @property {number} [longs] the share of longs in the figure, 0 to 1
 */
/**
 * @typedef {object} Column
 * @property {ColumnKey} key
 * @property {string} name
 * @property {string} meaning
 * @property {(row: MarketRow) => number | string | null} value by which it is sorted; null: not known
 * @property {(row: MarketRow) => Cell} cell
 */

const UNKNOWN = "–";

/** @param {import("../wire/messages.js").MarketValue} value */
const numberOf = (value) => (typeof value === "number" ? value : null);

/**
 * @param {number | null} share
 * @param {number} digits
 * @param {["up" | "short", "down" | "long"]} tones above and below zero
 * @returns {Cell}
 */
function signed(share, digits, tones) {
  if (share === null) return { text: UNKNOWN };
  const text = signedPercent(share, digits);
  const isZero = text === signedPercent(0, digits);
  return { text, tone: isZero ? "" : tones[share > 0 ? 0 : 1] };
}

/**
 * @param {MarketRow} row
 * @param {string} field a price
 * @returns {number | null} how far it is from the market's, as a share of that
 */
function away(row, field) {
  const [to, from] = [numberOf(row[field]), numberOf(row.price)];
  return to === null || !from ? null : to / from - 1;
}

/** @param {MarketRow} row */
function change(row) {
  const [now, before] = [numberOf(row.price), numberOf(row.price_24h)];
  return now === null || !before ? null : now / before - 1;
}

/** @param {MarketRow} row @returns {[number, number] | null} USD of longs and shorts */
function liquidated(row) {
  const [longs, shorts] = [numberOf(row.long_liquidated_24h), numberOf(row.short_liquidated_24h)];
  return longs === null && shorts === null ? null : [longs ?? 0, shorts ?? 0];
}

/**
 * @param {"above" | "below"} key
 * @returns {Column}
 */
function cluster(key) {
  return {
    key,
    name: `Cluster ${key}`,
    meaning: `Next big cluster ${key} the price: how far, and what is expected to be liquidated there`,
    value: (row) => away(row, `${key}_price`),
    cell: (row) => {
      const distance = away(row, `${key}_price`);
      const size = numberOf(row[`${key}_usd`]);
      if (distance === null) return { text: UNKNOWN };
      return { text: signedPercent(distance, 1), more: size === null ? "" : usd(size) };
    },
  };
}

/**
 * @param {"imbalance2" | "imbalance5"} key
 * @param {number} within %
 * @returns {Column}
 */
function imbalance(key, within) {
  const value = (/** @type {MarketRow} */ row) => numberOf(row[`imbalance_${within}`]);
  return {
    key,
    name: `Imbalance ${within}\u00a0%`,
    meaning: `Shorts above less longs below, as a share of both, within ${within} % of the price`,
    value,
    cell: (row) => signed(value(row), 0, ["short", "long"]),
  };
}

/** @type {readonly Column[]} in the order they are shown */
export const COLUMNS = [
  {
    key: "market",
    name: "Market",
    meaning: "Market, over all exchanges followed",
    value: (row) => String(row.symbol),
    cell: (row) => ({ text: String(row.symbol) }),
  },
  {
    key: "price",
    name: "Price",
    meaning: "Price, USD",
    value: (row) => numberOf(row.price),
    cell: (row) => ({ text: numberOf(row.price) === null ? UNKNOWN : price(Number(row.price)) }),
  },
  {
    key: "change",
    name: "Price 24 h",
    meaning: "Change of the price in 24 hours",
    value: change,
    cell: (row) => signed(change(row), 2, ["up", "down"]),
  },
  cluster("above"),
  cluster("below"),
  imbalance("imbalance2", 2),
  imbalance("imbalance5", 5),
  {
    key: "liquidated",
    name: "Liquidations 24 h",
    meaning: "Liquidations in 24 hours, USD; the bar: longs and shorts",
    value: (row) => liquidated(row)?.reduce((a, b) => a + b) ?? null,
    cell: (row) => {
      const sides = liquidated(row);
      if (!sides) return { text: UNKNOWN };
      const all = sides[0] + sides[1];
      return { text: usd(all), longs: all ? sides[0] / all : undefined };
    },
  },
  {
    key: "funding",
    name: "Funding",
    meaning: "What longs pay shorts next (or paid last), of the exchange with the most open interest",
    value: (row) => numberOf(row.funding),
    cell: (row) => signed(numberOf(row.funding), 4, ["up", "down"]),
  },
  {
    key: "oi",
    name: "Open interest",
    meaning: "Open interest, USD, of all exchanges",
    value: (row) => numberOf(row.open_interest),
    cell: (row) => {
      const size = numberOf(row.open_interest);
      return { text: size === null ? UNKNOWN : usd(size) };
    },
  },
  {
    key: "oi24",
    name: "Open interest 24 h",
    meaning: "Change of the open interest in 24 hours, in coins",
    value: (row) => numberOf(row.open_interest_24h),
    cell: (row) => {
      const change_ = numberOf(row.open_interest_24h);
      return signed(change_ === null ? null : change_ / 100, 1, ["up", "down"]);
    },
  },
];

/**
 * @param {MarketTable} table
 * @returns {Map<string, MarketRow>} by symbol
 */
export function rowsOf({ symbols, fields }) {
  const names = Object.keys(fields);
  return new Map(
    symbols.map((symbol, i) => {
      /** @type {MarketRow} */
      const row = { symbol };
      for (const name of names) row[name] = fields[name][i];
      return [symbol, row];
    }),
  );
}

/**
 * The markets a view shows, in its order; what is not known comes last whichever way, equals by name.
 * @param {Map<string, MarketRow>} rows
 * @param {MarketView} view
 * @returns {string[]} symbols
 */
export function orderOf(rows, { sort, descending, q }) {
  const { value } = COLUMNS.find(({ key }) => key === sort) ?? COLUMNS[0];
  const part = q.normalize("NFKC").trim().toUpperCase();
  const whole = symbolOf(q.trim());
  const turn = descending ? -1 : 1;
  return [...rows.values()]
    .map((row) => ({ symbol: String(row.symbol), by: value(row) }))
    .filter(({ symbol }) => symbol.includes(part) || symbol === whole)
    .sort((a, b) => {
      if (a.by === null || b.by === null) {
        return Number(a.by === null) - Number(b.by === null) || (a.symbol < b.symbol ? -1 : 1);
      }
      return a.by === b.by ? (a.symbol < b.symbol ? -1 : 1) : a.by < b.by ? -turn : turn;
    })
    .map(({ symbol }) => symbol);
}
