// @ts-check
/**
 * Puts the page together: the state, the socket, the markets, the maps and what stands beside them.
 * @module
 */

import { facts, fetchHistory, resolveTheme, store } from "./early.js";
import { Feed } from "./data/feed.js";
import { Connection } from "./panels/connection.js";
import { showControls } from "./panels/controls.js";
import { find } from "./panels/dom.js";
import { Legend } from "./panels/legend.js";
import { MapSlot } from "./panels/map-slot.js";
import { showReadout } from "./panels/readout.js";
import { Side } from "./panels/side.js";
import { formatState } from "./state/store.js";
import { WINDOWS } from "./state/windows.js";
import { LiqstreamClient } from "./websocket-client.js";

const scheme = location.protocol === "https:" ? "wss" : "ws";
const client = new LiqstreamClient(`${scheme}://${location.host}/ws/heatmap`);
const feed = new Feed(client, { baseInterval: facts.interval, fetchHistory });
const connection = new Connection(client, feed);
const legend = new Legend(find("#legend"), store);
const side = new Side(find("#side-body"));
const maps = find("#maps");
const narrow = matchMedia("(max-width: 760px)");

/** @type {Map<string, MapSlot>} */
const slots = new Map();
/** @type {number | null} */
let hovered = null;
let redraw = 0;

/** Markets in sight, the one in focus first. */
function shownSymbols() {
  const { grid, symbol, markets } = store.state;
  if (grid === 1) return [symbol];
  const wanted = markets.length ? markets : facts.symbols;
  return [...new Set([symbol, ...wanted, ...facts.symbols])].filter((name) => facts.symbols.includes(name)).slice(0, grid);
}

function focusSlot() {
  return /** @type {MapSlot} */ (slots.get(store.state.symbol));
}

function layOut() {
  const { state } = store;
  const symbols = shownSymbols();
  const alone = symbols.length === 1;
  feed.show(symbols, { focus: state.symbol, window: state.window, venues: state.venues });
  for (const [symbol, slot] of slots) {
    if (symbols.includes(symbol) && slot.view.compact === !alone) continue;
    slot.destroy();
    slots.delete(symbol);
  }
  maps.dataset.grid = String(alone ? 1 : symbols.length > 4 ? 9 : 4);
  for (const symbol of symbols) {
    let slot = slots.get(symbol);
    if (!slot) slots.set(symbol, (slot = newSlot(symbol, !alone)));
    maps.append(slot.element);
    if (slot.view.market !== feed.market(symbol)) slot.show(feed.market(symbol), feed.error(symbol));
    slot.element.classList.toggle("focus", symbol === state.symbol);
  }
  const market = feed.market(state.symbol);
  legend.follow(focusSlot().view);
  side.follow(market, WINDOWS[state.window].spanMs);
  connection.follow(market);
  drawSoon();
}

/** @param {string} symbol @param {boolean} compact */
function newSlot(symbol, compact) {
  const slot = new MapSlot(store.state, { compact, profile: !compact });
  maps.append(slot.element);
  slot.onFocus = () => store.set({ symbol });
  slot.onHover = (point) => {
    hovered = point?.column ?? null;
    drawSoon();
  };
  slot.view.onGesture = (patch) => {
    store.set(store.state.symbol === symbol ? patch : { times: patch.times ?? [] });
  };
  if (store.state.times.length) slot.view.showTimes(store.state.times);
  return slot;
}

function drawSoon() {
  if (!redraw) redraw = requestAnimationFrame(draw);
}

function draw() {
  redraw = 0;
  const market = feed.market(store.state.symbol);
  showReadout(find("#ohlc"), market, feed.interval, hovered);
  side.draw();
  const price = market.now?.price;
  document.title = price ? `${price} ${market.symbol} · liqstream` : `${market.symbol} · liqstream`;
}

client.on("snapshot", ({ symbol }) => symbol === store.state.symbol && drawSoon());
/** @param {string} symbol @param {string} error */
feed.onLoad = (symbol, error) => {
  slots.get(symbol)?.update(error);
  drawSoon();
};
connection.onState = () => {
  for (const { view } of slots.values()) {
    view.greyed = connection.silent;
    view.recolour();
  }
};

store.subscribe((state, changed) => {
  const query = formatState(state, location.search);
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  if (changed.has("theme")) {
    document.documentElement.dataset.theme = resolveTheme(state.theme);
    for (const { view } of slots.values()) view.applyTheme();
  }
  for (const { view } of slots.values()) view.apply(state);
  if (["symbol", "window", "grid", "markets", "venues"].some((key) => changed.has(/** @type {any} */ (key)))) layOut();
  if (changed.has("panel")) find("#side").hidden = !state.panel;
  legend.draw();
  drawSoon();
});

showControls(store, facts.symbols);
find("#side").hidden = !store.state.panel && !narrow.matches;
document.addEventListener("visibilitychange", () => feed.setHidden(document.hidden));
client.connect();
layOut();
