// @ts-check
/**
 * The first picture: the state, the markets' histories and the maps. Everything else comes after it.
 * @module
 */

import { facts, resolveTheme, store } from "./page-facts.js";
import { loadedWhole, reloadSoon } from "./data/first-history.js";
import { MarketLoader } from "./data/market-loader.js";
import { askedToken } from "./data/token.js";
import { showControls } from "./panels/controls.js";
import { find } from "./panels/dom.js";
import { LAYOUT, MapGrid } from "./map-grid.js";
import { formatState } from "./state/view-state.js";

const loader = new MarketLoader({
  baseInterval: facts.interval,
  onLoad: (key, error) => mapGrid.showLoaded(key, error),
  onUnknownExchanges: (unknown) => mapGrid.dropExchanges(unknown),
});
const mapGrid = new MapGrid(find("#maps"), store, loader, facts.symbols);

function showTheme() {
  document.documentElement.dataset.theme = resolveTheme(store.state.theme);
  for (const { view } of mapGrid.slots.values()) view.applyTheme();
}
matchMedia("(prefers-color-scheme: light)").addEventListener("change", showTheme);

store.subscribe((state, changed) => {
  if (changed.has("theme")) showTheme();
  mapGrid.apply(state);
  if (LAYOUT.some((key) => changed.has(key))) mapGrid.layOut();
});

if (facts.embed) {
  // A frame has no room for the controls; what must never be missing moves to the line above the map.
  find(".readout").append(find("#labels"), find("#connection"), fullPageLink());
}
const showMarkets = showControls(store, facts.symbols);
find("#side").hidden = !store.state.panel;
mapGrid.layOut();

/** What the page consists of, for the console, for scripts that drive it, and for its tests. */
const page = { store, mapGrid, loader, facts, showMarkets };
Object.assign(globalThis, { liqstream: page });

void goLive();

/**
 * Brings in the rest of the page, first what it takes to be live. Not awaited: these, which take modules from
 * the bundle this one is in, would wait for their own importer.
 */
async function goLive() {
  do {
    // An empty store must not keep the rest away.
    await Promise.race([mapGrid.focus.view.heat.firstDrawn, new Promise((done) => setTimeout(done, 5000))]);
  } while (await askedToken(() => loader.reload()));
  try {
    const { startLiveSocket } = await import("./live-socket.js");
    const socket = startLiveSocket(page);
    Object.assign(page, socket);
    const [{ startLiveUi }] = await Promise.all([import("./live-ui.js"), styled("panels.css")]);
    Object.assign(page, startLiveUi({ ...page, ...socket }));
    loadedWhole();
  } catch (error) {
    reloadSoon();
    throw error;
  }
}

/** Out of a frame, to the same view with its controls. */
function fullPageLink() {
  const link = document.createElement("a");
  const follow = () => {
    const query = formatState(store.state, location.search);
    link.href = `?${new URLSearchParams([...new URLSearchParams(query)].filter(([key]) => key !== "embed"))}`;
  };
  Object.assign(link, { className: "full-page", target: "_blank", rel: "noopener" });
  link.textContent = "Open full page";
  store.subscribe(follow);
  follow();
  return link;
}

/**
 * @param {string} name of a style sheet
 * @returns {Promise<unknown>} settles once it applies, or cannot be had
 */
function styled(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../css/${name}`, import.meta.url).href;
  const settled = new Promise((done) => (link.onload = link.onerror = done));
  document.head.append(link);
  return settled;
}
