// @ts-check
/**
 * Everything the viewer can choose, in one object that is the page's address: copying the link copies the
 * view. Only what differs from the default is written.
 * @module
 */

import { MOST_CELLS, parseCell, parseCells, withCells } from "./cells.js";
import { formatTiers, parseTiers } from "./leverage-tiers.js";
import { WINDOW_NAMES } from "./time-windows.js";

/**
 * @typedef {object} ViewState
 * @property {string} symbol the market in focus
 * @property {string[]} markets markets of the grid; empty: the first ones served
 * @property {number} grid 1, 4 or 9 maps
 * @property {string[]} cells maps of a layout, as BTCUSDT:12h; empty: those of grid and markets, of one
 * window
 * @property {import("./time-windows.js").WindowName} window
 * @property {"clusters" | "density"} view
 * @property {"both" | "long" | "short"} side
 * @property {"viridis" | "magma"} palette
 * @property {"sqrt" | "linear" | "log" | "rank"} scale how USD become colour
 * @property {boolean} lock whether the colour scale is held
 * @property {number | null} low USD below which nothing is drawn; null: a tenth of full colour, 0: none
 * @property {number | null} high USD at which the colour is full; null: the 99.5th percentile
 * @property {"near" | "candles" | "map" | "free"} fit the price range; free: as dragged
 * @property {number[]} prices lowest and highest price of a free range
 * @property {number | null} if the price up to which liquidations are summed; null: none
 * @property {number[]} times first and last UTC ms in sight; empty: the whole window
 * @property {number | null} at the time looked back to, UTC ms; null: live
 * @property {boolean} logPrice
 * @property {boolean} candles
 * @property {"orange" | "green"} candleColours
 * @property {boolean} dots realised liquidations
 * @property {boolean} swept outlines of the clusters that were swept
 * @property {boolean} panel the side panel
 * @property {"levels" | "tape" | "accuracy" | "data"} tab of the side panel
 * @property {"none" | "oi"} pane what stands below the map: nothing, or open interest and liquidations
 * @property {number | null} tape least USD on the tape; null: all
 * @property {string[]} venues the exchanges shown, under the name they have in the address; empty: all
 * @property {number[]} lev the leverage tiers shown, ascending; empty: all
 * @property {"auto" | "dark" | "light"} theme
 * @property {boolean} utc
 * @property {boolean} background whether a hidden page goes on being updated
 */
/** @typedef {{ [K in keyof ViewState]?: ViewState[K] }} Patch */

/**
 * @template T
 * @typedef {object} Field
 * @property {T} initial
 * @property {(text: string) => T | undefined} parse
 * @property {(value: T) => string} format
 * @property {string} [wanted] what is understood, for a viewer whose address is not
 * @property {(part: string) => boolean} [takes] of a list: whether a part of it is understood
 * @property {number} [most] of a list: so many parts are taken
 */

/**
 * @template {string} T
 * @param {readonly T[]} values
 * @returns {Field<T>}
 */
function choice(values) {
  return {
    initial: values[0],
    parse: (text) => values.find((value) => value === text.toLowerCase()),
    format: (value) => value,
    wanted: values.join(", "),
  };
}

/**
 * @param {boolean} initial
 * @returns {Field<boolean>}
 */
function flag(initial) {
  return {
    initial,
    parse: (text) => (text === "1" ? true : text === "0" ? false : undefined),
    format: (v) => (v ? "1" : "0"),
    wanted: "1 or 0",
  };
}

/** @returns {Field<number | null>} */
function usd() {
  return {
    initial: null,
    parse: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined),
    format: (value) => (value === null ? "" : String(Math.round(value))),
    wanted: "a whole number of USD",
  };
}

/** @returns {Field<number | null>} */
function aPrice() {
  return {
    initial: null,
    parse: (text) => {
      const price = /^[\d.e+-]{1,24}$/i.test(text) ? Number(text) : 0;
      return price > 0 && price < LARGEST ? price : undefined;
    },
    format: (value) => (value === null ? "" : String(Number(value.toPrecision(8)))),
    wanted: "a price above 0",
  };
}

/**
 * @param {RegExp} item
 * @param {number} most
 * @param {(text: string) => string} spelt as the server spells it
 * @returns {Field<string[]>}
 */
function names(item, most, spelt) {
  return {
    initial: [],
    parse: (text) =>
      text
        .split(",")
        .filter((part) => item.test(part))
        .map(spelt)
        .slice(0, most),
    format: (value) => value.join(","),
    takes: (part) => item.test(part),
    most,
  };
}

/** A number beyond it is no price and no time. */
const LARGEST = 1e14;

/** @returns {Field<number[]>} two ascending numbers or none */
function range() {
  return {
    initial: [],
    parse: (text) => {
      const ends = text.split("~").map((end) => (/\d/.test(end) ? Number(end) : NaN));
      const are = ends.length === 2 && ends.every((end) => Math.abs(end) < LARGEST) && ends[0] < ends[1];
      return are ? ends : undefined;
    },
    format: (value) => value.map((end) => String(Number(end.toPrecision(8)))).join("~"),
    wanted: "two ascending numbers, as 1~2",
  };
}

/** @returns {Field<number[]>} */
function times() {
  return { ...range(), format: (value) => value.map((end) => String(Math.round(end))).join("~") };
}

/** @returns {Field<number | null>} */
function aTime() {
  return {
    initial: null,
    parse: (text) => (/^\d{12,14}$/.test(text) ? Number(text) : undefined),
    format: (value) => (value === null ? "" : String(Math.round(value))),
    wanted: "a time in ms",
  };
}

const SYMBOL = /^[\p{L}\p{Nd}]{2,20}$/u;

/** @type {{ [K in keyof ViewState]: Field<ViewState[K]> }} */
const FIELDS = {
  symbol: {
    initial: "",
    parse: (text) => (SYMBOL.test(text) ? text.toUpperCase() : undefined),
    format: (v) => v,
  },
  markets: names(SYMBOL, 9, (text) => text.toUpperCase()),
  grid: {
    initial: 1,
    parse: (text) => [1, 4, 9].find((n) => String(n) === text),
    format: String,
    wanted: "1, 4 or 9",
  },
  cells: {
    initial: [],
    parse: parseCells,
    format: (v) => v.join(","),
    wanted: "maps, as BTCUSDT:12h,BTCUSDT:7d",
    takes: (part) => parseCell(part) !== null,
    most: MOST_CELLS,
  },
  window: { ...choice(WINDOW_NAMES), initial: "3d" },
  view: choice(["clusters", "density"]),
  side: choice(["both", "long", "short"]),
  palette: choice(["viridis", "magma"]),
  scale: choice(["sqrt", "linear", "log", "rank"]),
  lock: flag(false),
  low: usd(),
  high: usd(),
  fit: choice(["near", "candles", "map", "free"]),
  prices: range(),
  if: aPrice(),
  times: times(),
  at: aTime(),
  logPrice: flag(false),
  candles: flag(true),
  candleColours: choice(["orange", "green"]),
  dots: flag(true),
  swept: flag(false),
  panel: flag(true),
  tab: choice(["levels", "tape", "accuracy", "data"]),
  pane: choice(["none", "oi"]),
  tape: usd(),
  venues: names(/^[a-z0-9_-]{1,20}$/i, 10, (text) => text.toLowerCase()),
  lev: { initial: [], parse: parseTiers, format: formatTiers, wanted: "leverages, as 0-25 or 50-" },
  theme: choice(["auto", "dark", "light"]),
  utc: flag(false),
  background: flag(false),
};
const KEYS = /** @type {(keyof ViewState)[]} */ (Object.keys(FIELDS));

/** @returns {ViewState} */
export function initialState() {
  return /** @type {ViewState} */ (Object.fromEntries(KEYS.map((key) => [key, FIELDS[key].initial])));
}

/**
 * The state an address stands for; what is wrong in it is ignored.
 * @param {string} search e.g. "?symbol=ETHUSDT&window=7d"
 * @param {ViewState} [base] what holds where the address has no value
 * @returns {ViewState}
 */
export function parseState(search, base = initialState()) {
  const given = new URLSearchParams(search);
  const state = /** @type {Record<string, ViewState[keyof ViewState]>} */ ({ ...base });
  for (const key of KEYS) {
    const text = given.get(key);
    const value = text === null ? undefined : FIELDS[key].parse(text);
    if (value !== undefined) state[key] = value;
  }
  if (given.has("tape") && !given.has("tab")) state.tab = "tape"; // links from when this was all there was
  const parsed = /** @type {ViewState} */ (/** @type {unknown} */ (state));
  return { ...parsed, ...withCells(parsed, { cells: parsed.cells }) };
}

/**
 * What of an address is not understood, as sentences.
 * @param {string} search
 * @param {ViewState} state what is shown instead
 * @returns {string[]}
 */
export function unreadable(search, state) {
  const given = new URLSearchParams(search);
  return KEYS.flatMap((key) => {
    const text = given.get(key);
    const field = /** @type {Field<unknown>} */ (FIELDS[key]);
    if (!text) return [];
    if (field.parse(text) !== undefined) return unreadParts(key, text.split(","), field);
    const shown = field.format(state[key]) || "the default";
    return [`${key}=${text.slice(0, 40)}: not ${field.wanted ?? "understood"}; showing ${shown}.`];
  });
}

/**
 * What of a list is left out, as sentences.
 * @param {string} key
 * @param {string[]} parts
 * @param {Field<unknown>} field
 * @returns {string[]}
 */
function unreadParts(key, parts, { takes, most = Infinity }) {
  if (!takes) return [];
  const left = parts.filter((part) => part && !takes(part)).map((part) => part.slice(0, 20));
  const found = left.length ? [`${key}: ${left.slice(0, 3).join(", ")} not understood.`] : [];
  return parts.length - left.length > most ? [...found, `${key}: the first ${most} are shown.`] : found;
}

/**
 * The query of a state, with the parameters of `search` that are none of ours (e.g. embed) kept.
 * @param {ViewState} state
 * @param {string} [search]
 * @param {ViewState} [base] what holds where the address has no value: what differs from it is written too
 * @returns {string}
 */
export function formatState(state, search = "", base = initialState()) {
  const query = new URLSearchParams(search);
  for (const key of KEYS) {
    const field = /** @type {Field<unknown>} */ (FIELDS[key]);
    const text = field.format(state[key]);
    const isDefault = text === field.format(field.initial) && text === field.format(base[key]);
    if (state[key] === null || isDefault) query.delete(key);
    else query.set(key, text);
  }
  return query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
}

/** Holds the state and calls listeners with the keys that changed. */
export class ViewStore {
  #state;
  /** @type {Set<(state: ViewState, changed: Set<keyof ViewState>) => void>} */
  #listeners = new Set();

  /** @param {ViewState} state */
  constructor(state) {
    this.#state = state;
  }

  get state() {
    return this.#state;
  }

  /** @param {Patch} given */
  set(given) {
    const patch = withCells(this.#state, given);
    const changed = /** @type {(keyof ViewState)[]} */ (Object.keys(patch)).filter(
      (key) => !same(this.#state[key], patch[key]),
    );
    if (!changed.length) return;
    this.#state = { ...this.#state, ...patch };
    for (const listener of this.#listeners) listener(this.#state, new Set(changed));
  }

  /** @param {(state: ViewState, changed: Set<keyof ViewState>) => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * @param {unknown} a
 * @param {unknown} b
 */
function same(a, b) {
  return Array.isArray(a) && Array.isArray(b)
    ? a.length === b.length && a.every((x, i) => x === b[i])
    : a === b;
}
