// @ts-check
/**
 * Puts the page together: the state, the socket, the markets, the maps and what stands beside them.
 * @module
 */

import { facts, fetchHistory, resolveTheme, store } from "./early.js";
import { token } from "./data/access.js";
import { Feed } from "./data/feed.js";
import { signedPercent, usd } from "./data/format.js";
import { Connection } from "./panels/connection.js";
import { showControls } from "./panels/controls.js";
import { find } from "./panels/dom.js";
import { Legend } from "./panels/legend.js";
import { showReadout } from "./panels/readout.js";
import { Stage } from "./stage.js";
import { formatState } from "./state/store.js";
import { WINDOWS } from "./state/windows.js";
import { LiqstreamClient } from "./websocket-client.js";

/** What decides which maps there are and what they are fed with. */
const LAYOUT = /** @type {const} */ (["symbol", "window", "grid", "markets", "venues"]);

const scheme = location.protocol === "https:" ? "wss" : "ws";
const client = new LiqstreamClient(`${scheme}://${location.host}/ws/heatmap`, { token: token() });
const feed = new Feed(client, { baseInterval: facts.interval, fetchHistory });
const stage = new Stage(find("#maps"), store, feed, facts.symbols);
const connection = new Connection(client, feed);
const legend = new Legend(find("#legend"), store);
/** @type {import("./panels/side.js").Side | null} what is beside the map comes after it */
let side = null;
const aside = find("#side");
const handle = find("#sheet-handle");
let redraw = 0;

function layOut() {
  stage.layOut();
  const market = feed.market(store.state.symbol);
  legend.follow(stage.focus.view);
  side?.follow(market, WINDOWS[store.state.window].spanMs);
  connection.follow(market);
  drawSoon();
}

function drawSoon() {
  if (!redraw) redraw = requestAnimationFrame(draw);
}

function draw() {
  redraw = 0;
  const market = feed.market(store.state.symbol);
  showReadout(find("#ohlc"), market, feed.interval, stage.hovered);
  if (!aside.hidden) side?.draw();
  const price = market.now?.price;
  document.title = price ? `${price} ${market.symbol} · liqstream` : `${market.symbol} · liqstream`;
}

client.on("snapshot", ({ symbol }) => symbol === store.state.symbol && drawSoon());
stage.onHover = drawSoon;
/** @param {string} symbol @param {string} error */
feed.onLoad = (symbol, error) => {
  stage.slots.get(symbol)?.update(error);
  drawSoon();
};
connection.onState = () => {
  for (const { view } of stage.slots.values()) {
    view.greyed = connection.silent;
    view.recolour();
  }
};

function showTheme() {
  document.documentElement.dataset.theme = resolveTheme(store.state.theme);
  for (const { view } of stage.slots.values()) view.applyTheme();
  legend.draw();
}
matchMedia("(prefers-color-scheme: light)").addEventListener("change", showTheme);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let addressing;
/** Writes the address, a moment later: browsers refuse a hundred changes in a row, and a drag is that. */
function writeAddress() {
  clearTimeout(addressing);
  addressing = setTimeout(() => {
    const query = formatState(store.state, location.search);
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }, 120);
}

store.subscribe((state, changed) => {
  writeAddress();
  if (changed.has("theme")) showTheme();
  for (const { view } of stage.slots.values()) view.apply(state);
  if (LAYOUT.some((key) => changed.has(key))) layOut();
  aside.hidden = !state.panel;
  legend.draw();
  drawSoon();
});

handle.addEventListener("click", () => {
  const open = aside.classList.toggle("open");
  handle.setAttribute("aria-expanded", String(open));
  handle.setAttribute("aria-label", open ? "Hide the details" : "Show the details");
});

if (facts.embed) {
  // A frame has no room for the controls; what must never be missing moves to the line above the map.
  find(".readout").append(find("#labels"), find("#connection"));
}
if (!facts.symbols.includes(store.state.symbol)) {
  const wanted = store.state.symbol;
  store.set({ symbol: facts.symbols[0] });
  connection.tell(`${wanted} is not followed by this server; showing ${facts.symbols[0]}.`);
}
showControls(store, facts.symbols);
aside.hidden = !store.state.panel;
document.addEventListener("visibilitychange", () => feed.setHidden(document.hidden));
client.connect();
layOut();

/** What the page consists of, for the console, for scripts that drive it, and for its tests. */
/** @type {any} */ (globalThis).liqstream = { store, stage, feed, client, connection, legend };

/** Names the nearest clusters on the closed sheet of a phone. @param {(import("./data/clusters.js").Cluster | undefined)[]} nearest above, below */
function summarise(nearest) {
  const price = feed.market(store.state.symbol).now?.price ?? NaN;
  const texts = nearest.map((cluster, i) => cluster && `${i ? "▼" : "▲"} ${usd(cluster.usd)} at ${signedPercent(cluster.price / price - 1)}`);
  find("#sheet-summary").textContent = texts.filter(Boolean).join("   ");
}

// Not needed for the first picture, so not asked for before it; an empty store must not keep the menus away.
Promise.race([stage.focus.view.heat.firstDrawn, new Promise((done) => setTimeout(done, 5000))]).then(async () => {
  const [{ setUpTools }, { Side }] = await Promise.all([import("./tools.js"), import("./panels/side.js")]);
  side = new Side(find("#side-body"));
  side.onNearest = (above, below) => summarise([above, below]);
  side.onChoose = (price) => stage.focus.view.showPrice(price);
  side.follow(feed.market(store.state.symbol), WINDOWS[store.state.window].spanMs);
  setUpTools({ store, stage, feed, client, facts });
});
