// @ts-check
/**
 * The cells of a layout: maps of a market and a window each, written BTCUSDT:12h. The one in focus is the
 * market and window of the state; choosing another of either changes that cell.
 * @module
 */

import { WINDOW_NAMES } from "./time-windows.js";

/** @typedef {import("./view-state.js").ViewState} ViewState */
/** @typedef {import("./view-state.js").Patch} Patch */
/** @typedef {{ symbol: string, window: ViewState["window"] }} Cell */

export const MOST_CELLS = 9;
const SYMBOL = /^[\p{L}\p{Nd}]{2,20}$/u;

/** @param {Cell} cell */
export function formatCell({ symbol, window }) {
  return `${symbol}:${window}`;
}

/**
 * @param {string} text
 * @returns {Cell | null} null: it is none
 */
export function parseCell(text) {
  const [symbol = "", name = "", ...more] = text.split(":");
  const window = WINDOW_NAMES.find((each) => each === name.toLowerCase());
  return SYMBOL.test(symbol) && window && !more.length ? { symbol: symbol.toUpperCase(), window } : null;
}

/**
 * @param {string} text
 * @returns {string[] | undefined} each once, at most nine; undefined: it names none
 */
export function parseCells(text) {
  const cells = text.split(",").flatMap((each) => parseCell(each) ?? []);
  return cells.length ? [...new Set(cells.map(formatCell))].slice(0, MOST_CELLS) : undefined;
}

/**
 * What a change of the state means for the cells: another market or window is another map in the place of the
 * one in focus, unless there is such a map already; other cells without the one in focus move the focus.
 * @param {ViewState} state
 * @param {Patch} patch
 * @returns {Patch}
 */
export function withCells(state, patch) {
  const after = { ...state, ...patch };
  const cells = after.cells;
  const here = formatCell(after);
  if (!cells.length || cells.includes(here)) return patch;
  const at = patch.cells ? -1 : cells.indexOf(formatCell(state));
  if (at >= 0) return { ...patch, cells: cells.map((each, i) => (i === at ? here : each)) };
  return { ...patch, ...parseCell(cells[0]) };
}
