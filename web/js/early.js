// @ts-check
/**
 * The first thing that runs: what the server says about itself, what the address asks for, and the request
 * for that history, under way while the rest of the page still loads.
 * @module
 */

import { fetchWithToken } from "./data/access.js";
import { historyAddress } from "./data/rest.js";
import { parseState, Store } from "./state/store.js";
import { intervalOf } from "./state/windows.js";

const { dataset } = document.documentElement;

/** What the server wrote into the page. */
export const facts = {
  symbols: (dataset.symbols ?? "").split(",").filter(Boolean),
  interval: dataset.interval ?? "5m",
  source: dataset.source ?? "",
  embed: dataset.embed === "1",
  version: dataset.version ?? "",
};

const asked = parseState(location.search);
/** The market asked for, as long as the address names none of ours: the first one. */
const symbol = asked.symbol || facts.symbols[0] || "";
export const store = new Store({ ...asked, symbol });

document.documentElement.dataset.theme = resolveTheme(asked.theme);

/** @param {import("./state/store.js").ViewState["theme"]} theme @returns {"dark" | "light"} */
export function resolveTheme(theme) {
  if (theme !== "auto") return theme;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

const address = historyAddress(symbol, asked.window, intervalOf(asked.window, facts.interval), asked.venues);
/** @type {{ address: string, response: Promise<Response> } | null} */
let first = facts.symbols.includes(symbol) ? { address, response: fetchWithToken(address) } : null;
first?.response.catch(() => {}); // whoever takes it handles it

/**
 * A history request, the early one if it is that.
 * @param {string} wanted address @param {AbortSignal} [signal] @returns {Promise<Response>}
 */
export function fetchHistory(wanted, signal) {
  const early = first?.address === wanted ? first.response : null;
  first = null;
  return early ?? fetchWithToken(wanted, { signal });
}
