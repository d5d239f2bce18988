// @ts-check
/**
 * Everything the viewer can choose, in one object that is the page's address: copying the link copies the
 * view. Only what differs from the default is written.
 * @module
 */

import { WINDOW_NAMES } from "./windows.js";

/**
 * @typedef {object} ViewState
 * @property {string} symbol the market in focus
 * @property {string[]} markets markets of the grid; empty: the first ones served
 * @property {number} grid 1, 4 or 9 maps
 * @property {import("./windows.js").WindowName} window
 * @property {"clusters" | "density"} view
 * @property {"both" | "long" | "short"} side
 * @property {"viridis" | "magma"} palette
 * @property {"sqrt" | "linear" | "log" | "rank"} scale how USD become colour
 * @property {boolean} lock whether the colour scale is held
 * @property {number | null} low USD below which nothing is drawn
 * @property {number | null} high USD at which the colour is full; null: the 99.5th percentile
 * @property {"near" | "candles" | "map" | "free"} fit the price range; free: as dragged
 * @property {number[]} prices lowest and highest price of a free range
 * @property {number[]} times first and last UTC ms in sight; empty: the whole window
 * @property {boolean} logPrice
 * @property {boolean} candles
 * @property {"orange" | "green"} candleColours
 * @property {boolean} dots realised liquidations
 * @property {boolean} panel the side panel
 * @property {string[]} venues empty: all
 * @property {"auto" | "dark" | "light"} theme
 * @property {boolean} utc
 */
/** @typedef {{ [K in keyof ViewState]?: ViewState[K] }} Patch */

/**
 * @template T
 * @typedef {{ initial: T, parse: (text: string) => T | undefined, format: (value: T) => string }} Field
 */

/** @template {string} T @param {readonly T[]} values @returns {Field<T>} */
function choice(values) {
  return {
    initial: values[0],
    parse: (text) => values.find((value) => value === text),
    format: (value) => value,
  };
}

/** @param {boolean} initial @returns {Field<boolean>} */
function flag(initial) {
  return { initial, parse: (text) => (text === "1" ? true : text === "0" ? false : undefined), format: (v) => (v ? "1" : "0") };
}

/** @returns {Field<number | null>} */
function usd() {
  return {
    initial: null,
    parse: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined),
    format: (value) => String(Math.round(value ?? 0)),
  };
}

/** @param {RegExp} item @param {number} most @returns {Field<string[]>} */
function names(item, most) {
  return {
    initial: [],
    parse: (text) => text.split(",").filter((part) => item.test(part)).slice(0, most),
    format: (value) => value.join(","),
  };
}

/** @returns {Field<number[]>} two ascending numbers or none */
function range() {
  return {
    initial: [],
    parse: (text) => {
      const ends = text.split("~").map(Number);
      return ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1] ? ends : undefined;
    },
    format: (value) => value.map((end) => String(Number(end.toPrecision(8)))).join("~"),
  };
}

/** @returns {Field<number[]>} */
function times() {
  return { ...range(), format: (value) => value.map((end) => String(Math.round(end))).join("~") };
}

/** @type {{ [K in keyof ViewState]: Field<ViewState[K]> }} */
const FIELDS = {
  symbol: { initial: "", parse: (text) => (/^[A-Z0-9]{2,20}$/.test(text) ? text : undefined), format: (v) => v },
  markets: names(/^[A-Z0-9]{2,20}$/, 9),
  grid: { initial: 1, parse: (text) => [1, 4, 9].find((n) => String(n) === text), format: String },
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
  times: times(),
  logPrice: flag(false),
  candles: flag(true),
  candleColours: choice(["orange", "green"]),
  dots: flag(true),
  panel: flag(true),
  venues: names(/^[a-z0-9_-]{1,20}$/, 10),
  theme: choice(["dark", "light", "auto"]),
  utc: flag(false),
};
const KEYS = /** @type {(keyof ViewState)[]} */ (Object.keys(FIELDS));

/** @returns {ViewState} */
export function initialState() {
  return /** @type {any} */ (Object.fromEntries(KEYS.map((key) => [key, FIELDS[key].initial])));
}

/**
 * The state an address stands for; what it says wrongly is ignored.
 * @param {string} search e.g. "?symbol=ETHUSDT&window=7d"
 * @param {ViewState} [base] what holds where the address is silent
 * @returns {ViewState}
 */
export function parseState(search, base = initialState()) {
  const given = new URLSearchParams(search);
  const state = /** @type {any} */ ({ ...base });
  for (const key of KEYS) {
    const text = given.get(key);
    const value = text === null ? undefined : FIELDS[key].parse(text);
    if (value !== undefined) state[key] = value;
  }
  return state;
}

/**
 * The query of a state, with the parameters of `search` that are none of ours (e.g. embed) kept.
 * @param {ViewState} state @param {string} [search] @returns {string}
 */
export function formatState(state, search = "") {
  const query = new URLSearchParams(search);
  for (const key of KEYS) {
    const field = /** @type {Field<any>} */ (FIELDS[key]);
    const text = field.format(state[key]);
    if (state[key] === null || text === field.format(field.initial)) query.delete(key);
    else query.set(key, text);
  }
  return query.toString().replaceAll("%2C", ",");
}

/** Holds the state and tells who listens which keys changed. */
export class Store {
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

  /** @param {Patch} patch */
  set(patch) {
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

/** @param {unknown} a @param {unknown} b */
function same(a, b) {
  return Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((x, i) => x === b[i]) : a === b;
}
