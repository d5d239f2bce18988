// @ts-check
/**
 * The time windows one can choose and the column width each is drawn with: 60 to 1,100 columns, about what
 * a screen can show.
 * @module
 */

/** @typedef {"1h" | "4h" | "12h" | "24h" | "48h" | "3d" | "7d" | "14d" | "30d" | "90d" | "1y"} WindowName */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @type {Record<string, number>} */
export const INTERVALS_MS = {
  "1m": MINUTE,
  "3m": 3 * MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
  "2h": 2 * HOUR,
  "4h": 4 * HOUR,
  "6h": 6 * HOUR,
  "12h": 12 * HOUR,
  "1d": DAY,
};

/** @type {Record<WindowName, { spanMs: number, interval: string }>} */
export const WINDOWS = {
  "1h": { spanMs: HOUR, interval: "1m" },
  "4h": { spanMs: 4 * HOUR, interval: "1m" },
  "12h": { spanMs: 12 * HOUR, interval: "5m" },
  "24h": { spanMs: DAY, interval: "5m" },
  "48h": { spanMs: 2 * DAY, interval: "15m" },
  "3d": { spanMs: 3 * DAY, interval: "15m" },
  "7d": { spanMs: 7 * DAY, interval: "15m" },
  "14d": { spanMs: 14 * DAY, interval: "30m" },
  "30d": { spanMs: 30 * DAY, interval: "1h" },
  "90d": { spanMs: 90 * DAY, interval: "2h" },
  "1y": { spanMs: 365 * DAY, interval: "12h" },
};

/** Those on the keys 1 to 9; the shorter ones, in turn, are on 0. @type {WindowName[]} */
export const LONG_WINDOWS = ["12h", "24h", "48h", "3d", "7d", "14d", "30d", "90d", "1y"];

/** @type {WindowName[]} */
export const WINDOW_NAMES = /** @type {WindowName[]} */ (Object.keys(WINDOWS));

/**
 * The interval a window is drawn with when the market is kept in bars of `base`: never finer than those, but
 * for bars of a minute, which are kept beside them.
 * @param {WindowName} name
 * @param {string} base
 * @returns {string}
 */
export function intervalOf(name, base) {
  const { interval } = WINDOWS[name];
  if (isOfMinutes(name)) return interval;
  return (INTERVALS_MS[base] ?? 0) > INTERVALS_MS[interval] ? base : interval;
}

/**
 * Whether a window is drawn of bars of a minute, whatever the market is kept in.
 * @param {WindowName} name
 */
export function isOfMinutes(name) {
  return WINDOWS[name].interval === "1m";
}
