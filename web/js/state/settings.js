// @ts-check
/**
 * What of the view is the viewer's taste and not what is looked at: it is remembered in this browser. The
 * address wins over what is remembered, that over the defaults.
 * @module
 */

import { keep, recall } from "./storage.js";
import { formatState, initialState, parseState } from "./view-state.js";

/** @typedef {import("./view-state.js").ViewState} ViewState */

const KEY = "liqstream.settings";
const REMEMBERED = /** @type {const} */ ([
  "theme",
  "utc",
  "palette",
  "candleColours",
  "panel",
  "tab",
  "background",
]);

/** @returns {ViewState} the defaults, with what is remembered */
export function rememberedState() {
  const initial = initialState();
  return { ...initial, ...only(parseState(`?${recall(KEY) ?? ""}`)) };
}

/**
 * Remembers what the viewer chose, if any of that changed.
 * @param {ViewState} state
 * @param {Set<keyof ViewState>} changed
 */
export function rememberSettings(state, changed) {
  if (!REMEMBERED.some((key) => changed.has(key))) return;
  keep(KEY, formatState({ ...initialState(), ...only(state) }));
}

/** @param {ViewState} state */
function only(state) {
  return /** @type {Partial<ViewState>} */ (Object.fromEntries(REMEMBERED.map((key) => [key, state[key]])));
}
