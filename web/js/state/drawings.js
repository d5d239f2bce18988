// @ts-check
/**
 * What the viewer has drawn on the maps: lines, boxes and texts of each market, kept in this browser.
 * @module
 */

import { keep, recall } from "./storage.js";

/** @typedef {"line" | "box" | "text"} Kind */
/** @typedef {{ timeMs: number, price: number }} Anchor */
/**
 * @typedef {object} Drawing
 * @property {string} id
 * @property {Kind} kind
 * @property {Anchor} from where a line begins, a corner of a box, the place of a text
 * @property {Anchor} to the other end; a line with one time for both is a price across the whole map
 * @property {string} text beside it; empty: none
 */
/** @typedef {Omit<Drawing, "id">} Sketch */

export const KINDS = /** @type {const} */ (["line", "box", "text"]);
/** Of one market. */
export const MOST_DRAWINGS = 50;
export const LONGEST_TEXT = 80;
const PREFIX = "liqstream.drawings.";

/** How many were made: of their ids, which nobody keeps. */
let made = 0;

export class Drawings {
  /** @type {Map<string, Drawing[]>} by symbol, of the markets asked for */
  #held = new Map();
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {string} symbol
   * @returns {readonly Drawing[]} oldest first; another array after every change
   */
  of(symbol) {
    let drawings = this.#held.get(symbol);
    if (!drawings) {
      drawings = parseDrawings(recall(PREFIX + symbol));
      this.#held.set(symbol, drawings);
    }
    return drawings;
  }

  /**
   * @param {string} symbol
   * @param {Sketch} sketch
   * @returns {Drawing | null} null: the market has as many as it may
   */
  add(symbol, sketch) {
    const drawings = this.of(symbol);
    if (drawings.length >= MOST_DRAWINGS) return null;
    const drawing = { ...sketch, id: `d${made++}` };
    this.#take(symbol, [...drawings, drawing]);
    this.save(symbol);
    return drawing;
  }

  /**
   * Shown at once, and kept by the next `save()`: a drag is many changes.
   * @param {string} symbol
   * @param {string} id
   * @param {Partial<Sketch>} patch
   */
  change(symbol, id, patch) {
    const changed = this.of(symbol).map((each) => (each.id === id ? { ...each, ...patch } : each));
    const good = changed.every(({ from, to }) => from.price > 0 && to.price > 0);
    if (good) this.#take(symbol, changed);
  }

  /**
   * @param {string} symbol
   * @param {string} id
   */
  remove(symbol, id) {
    const left = this.of(symbol).filter((each) => each.id !== id);
    this.#take(symbol, left);
    this.save(symbol);
  }

  /** @param {string} symbol */
  save(symbol) {
    keep(PREFIX + symbol, formatDrawings(this.of(symbol)));
  }

  /**
   * Another tab of this browser has kept something.
   * @param {string | null} key
   * @param {string | null} text
   */
  takeStored(key, text) {
    if (key?.startsWith(PREFIX)) this.#take(key.slice(PREFIX.length), parseDrawings(text));
  }

  /** @param {() => void} listener called after every change */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * @param {string} symbol
   * @param {Drawing[]} drawings
   */
  #take(symbol, drawings) {
    this.#held.set(symbol, drawings);
    for (const listener of this.#listeners) listener();
  }
}

/** @param {readonly Drawing[]} drawings */
export function formatDrawings(drawings) {
  const rows = drawings.map(({ kind, from, to, text }) => [
    kind,
    from.timeMs,
    from.price,
    to.timeMs,
    to.price,
    text,
  ]);
  return JSON.stringify(rows);
}

/**
 * What was kept; what is none of ours in it is left out.
 * @param {string | null} stored
 * @returns {Drawing[]}
 */
export function parseDrawings(stored) {
  let rows;
  try {
    rows = JSON.parse(stored ?? "[]");
  } catch {
    return [];
  }
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row) => drawingOf(row) ?? []).slice(0, MOST_DRAWINGS);
}

/**
 * @param {unknown} row
 * @returns {Drawing | null}
 */
function drawingOf(row) {
  if (!Array.isArray(row)) return null;
  const kind = KINDS.find((each) => each === row[0]);
  const numbers = /** @type {unknown[]} */ (row.slice(1, 5));
  const [fromMs, low, toMs, high] = numbers.map((each) => (typeof each === "number" ? each : NaN));
  const text = typeof row[5] === "string" ? row[5].slice(0, LONGEST_TEXT) : "";
  const good = Number.isFinite(fromMs) && Number.isFinite(toMs) && low > 0 && high > 0;
  if (!kind || !good || (kind === "text" && !text)) return null; // one without a text is nowhere to be seen
  const [from, to] = [
    { timeMs: fromMs, price: low },
    { timeMs: toMs, price: high },
  ];
  return { id: `d${made++}`, kind, from, to, text };
}
