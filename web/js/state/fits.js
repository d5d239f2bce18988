// @ts-check
/**
 * The price range chosen for each market, remembered: who looks at BTC's whole map and at ETH's candles
 * finds them so again.
 * @module
 */

/** @typedef {import("./store.js").ViewState} ViewState */
/** @typedef {Pick<ViewState, "fit" | "prices">} Fit */

const KEY = "liqstream.fits";

/** @type {Map<string, Fit>} */
const fits = new Map(load());

/**
 * What changes with the market: its own price range, the whole window.
 * @param {ViewState} state the view so far @param {string} symbol the market to show
 * @returns {import("./store.js").Patch}
 */
export function marketPatch(state, symbol) {
  if (state.symbol) fits.set(state.symbol, { fit: state.fit, prices: state.prices });
  save();
  const { fit, prices } = fits.get(symbol) ?? { fit: state.fit === "free" ? "near" : state.fit, prices: [] };
  return { symbol, fit, prices, times: state.grid === 1 ? [] : state.times };
}

/** @returns {[string, Fit][]} */
function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return kept.filter((/** @type {any} */ entry) => typeof entry?.[0] === "string" && ["near", "candles", "map"].includes(entry[1]?.fit));
  } catch {
    return []; // no storage, or damaged: nothing was chosen
  }
}

/** A dragged range is of its day: only the modes outlive the page. */
function save() {
  try {
    const modes = [...fits].filter(([, { fit }]) => fit !== "free").map(([symbol, { fit }]) => [symbol, { fit, prices: [] }]);
    localStorage.setItem(KEY, JSON.stringify(modes));
  } catch {
    // storage may be forbidden in a frame: then they last as long as the page
  }
}
