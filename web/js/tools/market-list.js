// @ts-check
/**
 * The list of markets while the page is open: new ones appear, and one that has ended goes, with the reason.
 * @module
 */

import { fetchSymbols } from "../data/rest-client.js";
import { marketPatch } from "../state/price-range-choice.js";

/** How often the list is asked for, where the server chooses it while it runs. */
const ASK_EVERY_MS = 30_000;

/**
 * @param {object} page
 * @param {import("../state/view-state.js").ViewStore} page.store
 * @param {import("../map-grid.js").MapGrid} page.mapGrid
 * @param {typeof import("../page-facts.js").facts} page.facts
 * @param {() => void} page.showMarkets
 * @param {import("../websocket-client.js").LiqstreamClient} client
 * @param {(text: string) => void} showMessage
 */
export function followMarketList({ store, mapGrid, facts, showMarkets }, client, showMessage) {
  const follow = (/** @type {string[]} */ symbols) => {
    if (!symbols.length || symbols.join() === facts.symbols.join()) return;
    const { symbol } = store.state;
    // In place: whoever holds the list has the new one.
    facts.symbols.splice(0, facts.symbols.length, ...symbols);
    showMarkets();
    const cells = store.state.cells.filter((cell) => symbols.includes(cell.split(":")[0]));
    if (cells.length < store.state.cells.length) {
      showMessage("A map's market is not followed any more.");
      return store.set({ cells, ...(cells.length ? {} : marketPatch(store.state, symbols[0])) });
    }
    if (symbols.includes(symbol)) return mapGrid.layOut();
    showMessage(`${symbol} is not followed any more; showing ${symbols[0]}.`);
    store.set(marketPatch(store.state, symbols[0]));
  };
  const ask = async () => {
    try {
      follow(await fetchSymbols());
    } catch {
      // The connection's own indicator says what does not answer; the list stays as it is.
    }
  };
  client.on("ended", ({ symbols, message }) => {
    follow(facts.symbols.filter((symbol) => !symbols.includes(symbol)));
    showMessage(message);
    void ask();
  });
  client.on("error", ({ code }) => code === "INVALID_SYMBOL" && void ask());
  if (!facts.chosen) return;
  setInterval(() => !document.hidden && void ask(), ASK_EVERY_MS);
  document.addEventListener("visibilitychange", () => !document.hidden && void ask());
}
