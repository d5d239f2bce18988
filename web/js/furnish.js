// @ts-check
/**
 * What stands around the maps and what keeps them live, brought in once the first picture is drawn: the
 * socket, the indicator, the colour bar, the side panel, the tools.
 * @module
 */

import { DotsPrimitive } from "./chart/dots-primitive.js";
import { token } from "./data/access.js";
import { signedPercent, usd } from "./data/format.js";
import { Connection } from "./panels/connection.js";
import { find } from "./panels/dom.js";
import { Legend } from "./panels/legend.js";
import { Profile } from "./panels/profile.js";
import { showReadout } from "./panels/readout.js";
import { Side } from "./panels/side.js";
import { Tooltip } from "./panels/tooltip.js";
import { LAYOUT } from "./stage.js";
import { formatState } from "./state/store.js";
import { WINDOWS } from "./state/windows.js";
import { setUpTools } from "./tools.js";
import { LiqstreamClient } from "./websocket-client.js";

/** @typedef {{ store: import("./state/store.js").Store, stage: import("./stage.js").Stage, feed: import("./data/feed.js").Feed, facts: typeof import("./facts.js").facts }} Page */

/** @param {Page} page @returns {{ client: LiqstreamClient, connection: Connection, legend: Legend }} */
export function furnish({ store, stage, feed, facts }) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const client = new LiqstreamClient(`${scheme}://${location.host}/ws/heatmap`, { token: token() });
  const connection = new Connection(client, feed);
  const legend = new Legend(find("#legend"), store);
  const side = new Side(find("#side-body"));
  const aside = find("#side");

  const follow = () => {
    const market = feed.market(store.state.symbol);
    legend.follow(stage.focus.view);
    side.follow(market, WINDOWS[store.state.window].spanMs);
    connection.follow(market);
    drawSoon();
  };

  let redraw = 0;
  const drawSoon = () => {
    redraw ||= requestAnimationFrame(() => {
      redraw = 0;
      const market = feed.market(store.state.symbol);
      showReadout(find("#ohlc"), market, feed.interval, stage.hovered);
      if (!aside.hidden) side.draw();
      const price = market.now?.price;
      document.title = price ? `${price} ${market.symbol} · liqstream` : `${market.symbol} · liqstream`;
    });
  };

  stage.equip((slot) => {
    slot.furnish({ tooltip: new Tooltip(slot.chartElement, slot.view), profile: new Profile(slot.profileElement, slot.view), dots: new DotsPrimitive() });
  });
  stage.onChange = drawSoon;
  feed.watch(({ symbol }) => symbol === store.state.symbol && drawSoon());
  connection.onState = () => {
    for (const { view } of stage.slots.values()) {
      view.greyed = connection.silent;
      view.recolour();
    }
  };
  store.subscribe((state, changed) => {
    aside.hidden = !state.panel;
    if (LAYOUT.some((key) => changed.has(key))) follow();
    legend.draw();
    drawSoon();
  });
  const writeAddress = keepAddress(store);
  openSheet(aside);
  side.ladder.onNearest = (above, below) => summarise([above, below], feed.market(store.state.symbol).now?.price ?? NaN);
  side.ladder.onChoose = (price) => stage.focus.view.viewport.showPrice(price);
  follow();

  if (facts.unknown) connection.tell(`${facts.unknown} is not followed by this server; showing ${store.state.symbol}.`);
  stage.onNotice = (text) => connection.tell(text);
  if (stage.notice) {
    connection.tell(stage.notice);
    writeAddress();
  }
  document.addEventListener("visibilitychange", () => feed.setHidden(document.hidden));
  feed.listen(client);
  client.connect();
  setUpTools({ store, stage, feed, client, facts });
  return { client, connection, legend };
}

/** Writes the view into the address, a moment later: browsers refuse a hundred changes in a row, and a drag is that. @param {Page["store"]} store */
function keepAddress(store) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let writing;
  const write = () => {
    clearTimeout(writing);
    writing = setTimeout(() => {
      const query = formatState(store.state, location.search);
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
    }, 120);
  };
  store.subscribe(write);
  return write;
}

/** On a phone the details are a sheet. @param {HTMLElement} aside */
function openSheet(aside) {
  const handle = find("#sheet-handle");
  handle.addEventListener("click", () => {
    const open = aside.classList.toggle("open");
    handle.setAttribute("aria-expanded", String(open));
    find("#sheet-word").textContent = open ? "Hide the details" : "Show the details";
  });
}

/** Names the nearest clusters on the closed sheet. @param {(import("./data/clusters.js").Cluster | undefined)[]} nearest above, below @param {number} price */
function summarise(nearest, price) {
  const texts = nearest.map((cluster, i) => cluster && `${i ? "▼" : "▲"} ${usd(cluster.usd)} at ${signedPercent(cluster.price / price - 1)}`);
  find("#sheet-summary").textContent = texts.filter(Boolean).join("   ");
}
