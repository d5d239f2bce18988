// @ts-check
/**
 * What the server wrote into the page and what the address holds: all that is known before any request.
 * @module
 */

import { withCells } from "./state/cells.js";
import { rememberedState } from "./state/settings.js";
import { parseState, unreadable, ViewStore } from "./state/view-state.js";

const { dataset } = document.documentElement;
const symbols = (dataset.symbols ?? "").split(",").filter(Boolean);
const asked = parseState(location.search, rememberedState());
// A map of a market that is not followed would stay empty.
const cells = asked.cells.filter((cell) => symbols.includes(cell.split(":")[0]));
const requested = { ...asked, ...withCells(asked, { cells }) };
const followed = symbols.includes(requested.symbol);

/** What the server wrote into the page. */
export const facts = {
  symbols,
  interval: dataset.interval ?? "5m",
  source: dataset.source ?? "",
  /** Whether the server chooses its markets while it runs. */
  chosen: dataset.chosen === "1",
  embed: dataset.embed === "1",
  version: dataset.version ?? "",
  /** The market the address names, if this server does not follow it. */
  unknown: followed ? "" : requested.symbol,
  /** What of the address is not understood, as sentences. */
  unreadable: [
    ...unreadable(location.search, requested),
    ...asked.cells
      .filter((cell) => !cells.includes(cell))
      .map((cell) => `${cell}: no such market on this server.`),
  ],
};

export const store = new ViewStore(followed ? requested : { ...requested, symbol: symbols[0] ?? "" });

/**
 * @param {import("./state/view-state.js").ViewState["theme"]} theme
 * @returns {"dark" | "light"}
 */
export function resolveTheme(theme) {
  if (theme !== "auto") return theme;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

dataset.theme = resolveTheme(requested.theme);
