// @ts-check
/**
 * What stands around the maps, brought in once they are on their way to be live (live-socket.js): the colour
 * bar, the side panel, the tools.
 * @module
 */

import { LiquidationsPrimitive } from "./chart/liquidations-primitive.js";
import { PriceGestures } from "./chart/price-gestures.js";
import { ContextPoll } from "./data/context-poll.js";
import { signedPercent, usd } from "./data/format.js";
import { oncePerFrame } from "./data/once-per-frame.js";
import { ContextStrip } from "./panels/context-strip.js";
import { find } from "./panels/dom.js";
import { Legend } from "./panels/legend.js";
import { LowerPane } from "./panels/lower-pane.js";
import { LeverageTiers } from "./panels/leverage-tiers.js";
import { Profile } from "./panels/profile.js";
import { showReadout } from "./panels/readout.js";
import { SidePanel } from "./panels/side-panel.js";
import { SideTabs } from "./panels/side-tabs.js";
import { Tape } from "./panels/tape.js";
import { MeasuredNote } from "./panels/measured-note.js";
import { Tooltip } from "./panels/tooltip.js";
import { LAYOUT } from "./map-grid.js";
import { rememberedState, rememberSettings } from "./state/settings.js";
import { onUnsaved } from "./state/storage.js";
import { formatState } from "./state/view-state.js";
import { WINDOWS } from "./state/time-windows.js";
import { followMarketList } from "./tools/market-list.js";
import { setUpTools } from "./tools/setup.js";

/** Being live goes first: what stands around the map is asked for so long after it. */
const BESIDES_MS = 600;
const ZONE_LOOK_MS = 30_000;
/** Where the panel is a sheet over the map, as in page.css. */
const SHEET = matchMedia(
  "(max-width: 860px), (pointer: coarse) and (max-width: 1000px) and (max-height: 500px)",
);

/** @typedef {import("./data/clusters.js").Cluster} Cluster */
/**
 * @typedef {object} Page
 * @property {import("./state/view-state.js").ViewStore} store
 * @property {import("./map-grid.js").MapGrid} mapGrid
 * @property {import("./data/market-loader.js").MarketLoader} loader
 * @property {typeof import("./page-facts.js").facts} facts
 * @property {import("./websocket-client.js").LiqstreamClient} client
 * @property {import("./panels/connection-indicator.js").ConnectionIndicator} connection
 */

/**
 * @param {Page & { showMarkets: () => void }} page showMarkets shows the markets of `facts` in the controls
 * @returns {{ legend: Legend, tape: Tape }}
 */
export function startLiveUi({ store, mapGrid, loader, facts, client, connection, showMarkets }) {
  const legend = new Legend(find("#legend"), store);
  const tiers = new LeverageTiers(store, () => loader.prepareTiers());
  const ladder = {
    onNext: (/** @type {Cluster | undefined} */ above, /** @type {Cluster | undefined} */ below) =>
      summarise([above, below], mapGrid.market.shown?.price ?? NaN),
    onChoose: (/** @type {number} */ price) => {
      mapGrid.focus.view.viewport.showPrice(price);
      requestAnimationFrame(() => mapGrid.focus.flash(price)); // where it is by then
    },
  };
  const tabs = new SideTabs(find("#side-body"), store);
  const side = new SidePanel(find("#side-body"), ladder, tiers, tabs);
  const tape = new Tape(find("#side-body"));
  const context = new ContextPoll(() => {
    strip.draw();
    mapGrid.focus.update();
  });
  const strip = new ContextStrip(find("#context"), context, store);
  const aside = find("#side");

  const showFocus = () => {
    const { market } = mapGrid;
    legend.show(mapGrid.focus.view);
    side.show(market, WINDOWS[store.state.window].spanMs);
    tape.show(market);
    strip.show(market);
    followContext();
    drawSoon();
  };

  /** Of the whole window only where its columns are drawn. */
  const followContext = () => {
    const { symbol, window, venues: exchanges, pane } = store.state;
    const drawn = pane === "oi" && !mapGrid.focus.view.compact;
    const span = drawn ? { window, interval: loader.interval } : { window: "1h", interval: "" };
    context.follow({ symbol, ...span, exchanges });
  };

  const drawSoon = oncePerFrame(() => {
    const { market } = mapGrid;
    showReadout(find("#ohlc"), market, loader.interval, mapGrid.hovered, mapGrid.focus.view.clock);
    if (aside.hidden) side.forecast.follow(market);
    else side.draw({ covered: isClosedSheet(aside) });
    tape.draw();
    strip.follow();
  });

  mapGrid.forEachMap((slot) => addParts(slot, facts.embed));
  mapGrid.forEachMap((slot) => void new LowerPane(slot, context));
  loader.subscribe((market) => market === mapGrid.market && drawSoon());
  store.subscribe((state, changed) => {
    aside.hidden = !state.panel;
    if (LAYOUT.some((key) => changed.has(key))) showFocus();
    if (changed.has("pane")) {
      followContext();
      strip.draw();
      mapGrid.focus.update();
    }
    legend.draw();
    drawSoon();
  });
  store.subscribe(rememberSettings);
  followTimeZone();
  const writeAddress = keepAddress(store);
  openSheet(aside, () => side.drawNow());
  showFocus();

  const sentences = facts.unknown
    ? [`${facts.unknown} is not followed by this server; showing ${store.state.symbol}.`, ...facts.unreadable]
    : facts.unreadable;
  if (sentences.length) connection.showMessage(sentences.join(" "));
  onUnsaved(() =>
    connection.showMessage("Not saved: this browser keeps nothing. It lasts as long as this page."),
  );
  mapGrid.setHooks({ onChange: drawSoon, onNotice: (text) => connection.showMessage(text) });
  if (mapGrid.notice) {
    connection.showMessage(mapGrid.notice);
    writeAddress();
  }
  document.addEventListener("visibilitychange", () => {
    context.refresh();
    drawSoon();
  });
  client.on("snapshot", () => setTimeout(() => context.start(), BESIDES_MS));
  setTimeout(() => context.start(), 5 * BESIDES_MS); // where no socket comes through
  setUpTools({ store, mapGrid, loader, client, connection, facts, tabs });
  followMarketList({ store, mapGrid, facts, showMarkets }, client, (text) => connection.showMessage(text));
  return { legend, tape };
}

/**
 * @param {import("./panels/map-slot.js").MapSlot} slot
 * @param {boolean} framed whether the page is a frame in another one
 */
function addParts(slot, framed) {
  slot.addParts({
    tooltip: new Tooltip(slot.chartElement, slot.view),
    profile: new Profile(slot.profileElement, slot.view),
    dots: new LiquidationsPrimitive(),
  });
  slot.addOverlay(new MeasuredNote(slot));
  const { view } = slot;
  new PriceGestures(slot.chartElement, {
    viewport: view.viewport,
    pane: () => view.pane,
    priceAt: (y) => view.candles.coordinateToPrice(y),
    framed,
  });
}

/**
 * Clocks are made once: on a machine taken to another time zone the page would write the times of the old one
 * beside the offset of the new one. It begins anew, with the view that its address has.
 */
function followTimeZone() {
  const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
  const first = zone();
  const look = () => {
    if (!document.hidden && zone() !== first) location.reload();
  };
  document.addEventListener("visibilitychange", look);
  setInterval(look, ZONE_LOOK_MS);
}

/**
 * Writes the view into the address, a moment later: browsers refuse a hundred changes in a row, and a drag is
 * that.
 * @param {Page["store"]} store
 */
function keepAddress(store) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let writing;
  const write = () => {
    clearTimeout(writing);
    writing = setTimeout(() => {
      const query = formatState(store.state, location.search, rememberedState());
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
    }, 120);
  };
  store.subscribe(write);
  return write;
}

/** Whether it is a sheet of which only the handle is in sight (page.css). @param {HTMLElement} aside */
function isClosedSheet(aside) {
  return SHEET.matches && !aside.classList.contains("open");
}

/**
 * On a phone the details are a sheet.
 * @param {HTMLElement} aside
 * @param {() => void} onOpen called where what it covered has to be drawn
 */
function openSheet(aside, onOpen) {
  const handle = find("#sheet-handle");
  SHEET.addEventListener("change", onOpen);
  handle.addEventListener("click", () => {
    const open = aside.classList.toggle("open");
    if (open) onOpen();
    handle.setAttribute("aria-expanded", String(open));
    find("#sheet-word").textContent = open ? "Hide the details" : "Show the details";
  });
}

/**
 * Names the next big clusters on the closed sheet.
 * @param {(import("./data/clusters.js").Cluster | undefined)[]} next above, below
 * @param {number} price
 */
function summarise(next, price) {
  const texts = next.map(
    (cluster, i) =>
      cluster && `${i ? "▼" : "▲"} ${usd(cluster.usd)} at ${signedPercent(cluster.price / price - 1)}`,
  );
  find("#sheet-summary").textContent = texts.filter(Boolean).join("   ");
}
