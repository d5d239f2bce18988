// @ts-check
/**
 * Figures, prices and times as the viewer's locale writes them.
 * @module
 */

import { tiersText } from "../state/leverage-tiers.js";

/**
 * In a line that is written from the left, digits of the Arabic script would change places with the signs,
 * units and figures beside them.
 */
const LATIN = { numberingSystem: "latn" };
/** Exchanges count days by it; other calendars begin their months within those that the time axis marks. */
const CALENDAR = { calendar: "gregory" };
/** @type {Map<number, Intl.NumberFormat>} */
const numbers = new Map();

/**
 * @param {number} value
 * @param {number} most decimals
 * @param {number} [least] decimals
 * @returns {string}
 */
export function number(value, most, least = most) {
  const key = 100 * most + least;
  let format = numbers.get(key);
  if (!format) {
    numbers.set(
      key,
      (format = new Intl.NumberFormat(undefined, {
        ...LATIN,
        minimumFractionDigits: least,
        maximumFractionDigits: most,
      })),
    );
  }
  return format.format(value);
}

const UNITS = /** @type {const} */ ([
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
]);

/**
 * Short USD, three figures: $12.3M.
 * @param {number} value
 * @returns {string}
 */
export function usd(value) {
  const size = Math.abs(value);
  const [unit, letter] = UNITS.find(([least]) => size >= least * 0.9995) ?? [1, ""];
  const scaled = value / unit;
  const digits = unit === 1 ? 0 : Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
  const text = number(Math.abs(scaled), digits);
  return `${value < 0 ? "−" : ""}$${text}${letter}`;
}

/**
 * Decimals a price of that size is read with: what is left out is at most 1e-5 of it.
 * @param {number} size
 * @returns {number}
 */
export function priceDecimals(size) {
  if (!(size > 0)) return 2;
  return Math.min(15, Math.max(1, 5 - Math.floor(Math.log10(size) + 1e-9)));
}

/**
 * @param {number} value
 * @param {number} [decimals]
 * @returns {string}
 */
export function price(value, decimals = priceDecimals(value)) {
  return number(value, decimals);
}

/**
 * Decimals a grid step needs.
 * @param {number} step
 * @returns {number}
 */
export function stepDecimals(step) {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}

/**
 * With its sign: +1.25 %; without one where it is written as zero.
 * @param {number} share
 * @param {number} [digits]
 * @returns {string}
 */
export function signedPercent(share, digits = 2) {
  const text = number(Math.abs(share) * 100, digits);
  const isZero = text === number(0, digits);
  return `${isZero ? "" : share < 0 ? "−" : "+"}${text} %`;
}

/**
 * @param {number} count
 * @param {string} name of one, whose plural has an s
 * @returns {string} 1 market, 1,200 markets
 */
export function counted(count, name) {
  return `${number(count, 0)} ${name}${count === 1 ? "" : "s"}`;
}

/**
 * @param {number} value of a place in an order, as a percentile
 * @returns {string} 91st, 2nd, 13th, 99.5th
 */
export function ordinal(value) {
  const [tens, ones] = [value % 100, value % 10];
  const ending = tens >= 11 && tens <= 13 ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[ones] ?? "th");
  return `${value}${ending}`;
}

/**
 * @param {number} share
 * @returns {string}
 */
export function percent(share) {
  return `${number(share * 100, 0)} %`;
}

/**
 * Of a price that may be reached: neither "0 %" for what is only unlikely nor "100 %" for what is likely.
 * @param {number} chance 0 to 1
 * @returns {string} 42 %, < 1 %, > 99 %
 */
export function chanceText(chance) {
  if (chance < 0.01) return "< 1 %";
  return chance > 0.99 ? "> 99 %" : percent(chance);
}

/**
 * A span of time in its two largest units: 3 d 4 h.
 * @param {number} ms
 * @returns {string}
 */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) {
    return `${Math.floor(s / 3600)} h${s % 3600 >= 60 ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  }
  return `${Math.floor(s / 86400)} d${s % 86400 >= 3600 ? ` ${Math.floor((s % 86400) / 3600)} h` : ""}`;
}

/** @typedef {"minute" | "second" | "day" | "month" | "year" | "full" | "stamp"} TimeForm */

/** @type {Record<TimeForm, Intl.DateTimeFormatOptions>} */
const FORMS = {
  minute: { hour: "2-digit", minute: "2-digit" },
  second: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { day: "numeric", month: "short" },
  month: { month: "short" },
  year: { year: "numeric" },
  stamp: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  full: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
};

/** Times in UTC or in the viewer's zone. */
export class Clock {
  /**
   * A formatter takes 3 ms to make: only those that are asked for.
   * @type {Map<TimeForm, Intl.DateTimeFormat>}
   */
  #formats = new Map();
  #utc;

  /** @param {boolean} utc */
  constructor(utc) {
    this.#utc = utc;
  }

  /** e.g. UTC or Europe/Berlin */
  get zone() {
    return this.#utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  /**
   * The zone as its offset: UTC, UTC+1, UTC−3:30.
   * @param {number} ms the time it is asked for
   */
  offsetText(ms) {
    const minutes = this.offsetMs(ms) / 60_000;
    if (!minutes) return "UTC";
    const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
    return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
  }

  /**
   * Milliseconds east of UTC at that time.
   * @param {number} ms
   * @returns {number}
   */
  offsetMs(ms) {
    return this.#utc ? 0 : -60_000 * new Date(ms).getTimezoneOffset();
  }

  /**
   * @param {number} ms
   * @param {TimeForm} form
   * @returns {string}
   */
  format(ms, form) {
    let format = this.#formats.get(form);
    if (!format) {
      const zone = this.#utc ? { timeZone: "UTC" } : {};
      const style = { hourCycle: /** @type {const} */ ("h23"), ...LATIN, ...CALENDAR };
      format = new Intl.DateTimeFormat(undefined, { ...zone, ...style, ...FORMS[form] });
      this.#formats.set(form, format);
    }
    return format.format(ms);
  }
}

/**
 * A leverage group as it is written: "to 25x" between "to 10x" and "to 50x" is 10-25x.
 * @param {string[]} groups as the server names them, lowest first
 * @param {number} at index of the group
 * @returns {string}
 */
export function leverageText(groups, at) {
  const upTo = (/** @type {number} */ i) => /^to (\d+)x$/.exec(groups[i] ?? "")?.[1];
  const above = /^above (\d+)x$/.exec(groups[at])?.[1];
  if (above) return `>${above}x`;
  const [low, high] = [upTo(at - 1), upTo(at)];
  if (!high) return groups[at];
  return low ? `${low}-${high}x` : `≤${high}x`;
}

/**
 * What a map is of, if not of all: leverages and exchanges.
 * @param {{ tiers: number[], chosen: string[] }} market
 * @returns {string} empty: of all
 */
export function partText({ tiers, chosen }) {
  return [tiersText(tiers), exchangesText(chosen)].filter(Boolean).join(", ");
}

/** The exchanges a map is of, where there is little room. @param {string[]} exchanges some of them */
export function exchangesText(exchanges) {
  return exchanges.length > 2 ? `${exchanges.length} exchanges` : exchanges.join(" + ");
}
