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
 * Remembers what of the viewer's taste was changed; the rest may have been changed in another tab.
 * @param {ViewState} state
 * @param {Set<keyof ViewState>} changed
 */
export function rememberSettings(state, changed) {
  const chosen = REMEMBERED.filter((key) => changed.has(key));
  if (chosen.length) keep(KEY, formatState({ ...rememberedState(), ...only(state, chosen) }));
}

/**
 * @param {ViewState} state
 * @param {readonly (keyof ViewState)[]} [keys]
 */
function only(state, keys = REMEMBERED) {
  return /** @type {Partial<ViewState>} */ (Object.fromEntries(keys.map((key) => [key, state[key]])));
}
