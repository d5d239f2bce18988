// @ts-check
/**
 * Layouts with a name, kept in this browser: the cells of each.
 * @module
 */

import { formatCell, parseCells } from "./cells.js";
import { keep, recall } from "./storage.js";

/** @typedef {{ name: string, cells: string[] }} Layout */

export const MOST_LAYOUTS = 20;
export const LONGEST_NAME = 40;
const KEY = "liqstream.layouts";

/** @returns {Layout[]} the newest first */
export function savedLayouts() {
  try {
    const kept = JSON.parse(recall(KEY) ?? "[]");
    if (!Array.isArray(kept)) return [];
    return kept.flatMap((row) => layoutOf(row) ?? []).slice(0, MOST_LAYOUTS);
  } catch {
    return []; // damaged: none was kept
  }
}

/**
 * Keeps a layout, in the place of one of that name; with too many the oldest goes.
 * @param {string} name
 * @param {string[]} cells
 */
export function saveLayout(name, cells) {
  const others = savedLayouts().filter((each) => each.name !== name);
  store([{ name: name.slice(0, LONGEST_NAME), cells }, ...others].slice(0, MOST_LAYOUTS));
}

/** @param {string} name */
export function removeLayout(name) {
  store(savedLayouts().filter((each) => each.name !== name));
}

/**
 * The maps in sight as cells, also those of a plain grid.
 * @param {import("./view-state.js").ViewState} state
 * @param {string[]} symbols in sight
 * @returns {string[]}
 */
export function cellsOf({ cells, window }, symbols) {
  return cells.length ? cells : symbols.map((symbol) => formatCell({ symbol, window }));
}

/** @param {Layout[]} layouts */
function store(layouts) {
  keep(KEY, JSON.stringify(layouts.map(({ name, cells }) => [name, cells.join(",")])));
}

/**
 * @param {unknown} row
 * @returns {Layout | null}
 */
function layoutOf(row) {
  if (!Array.isArray(row) || typeof row[0] !== "string" || typeof row[1] !== "string") return null;
  const cells = parseCells(row[1]);
  return row[0] && cells ? { name: row[0].slice(0, LONGEST_NAME), cells } : null;
}
