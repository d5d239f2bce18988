// @ts-check
/**
 * What the server says about itself and what the address asks for: all that is known before anything is asked.
 * @module
 */

import { parseState, Store } from "./state/store.js";

const { dataset } = document.documentElement;
const symbols = (dataset.symbols ?? "").split(",").filter(Boolean);
const asked = parseState(location.search);
const followed = symbols.includes(asked.symbol);

/** What the server wrote into the page. */
export const facts = {
  symbols,
  interval: dataset.interval ?? "5m",
  source: dataset.source ?? "",
  embed: dataset.embed === "1",
  version: dataset.version ?? "",
  /** The market the address names, if this server does not follow it. */
  unknown: followed ? "" : asked.symbol,
};

export const store = new Store(followed ? asked : { ...asked, symbol: symbols[0] ?? "" });

/** @param {import("./state/store.js").ViewState["theme"]} theme @returns {"dark" | "light"} */
export function resolveTheme(theme) {
  if (theme !== "auto") return theme;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

dataset.theme = resolveTheme(asked.theme);
