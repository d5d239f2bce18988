// @ts-check
/**
 * What keeps the maps live, brought in once the first picture is drawn and before what stands around it
 * (live-ui.js): the socket, the indicator that says whether it is, the price in the tab's title.
 * @module
 */

import { price as priceText } from "./data/format.js";
import { oncePerFrame } from "./data/once-per-frame.js";
import { PageSocket, socketAddress } from "./data/page-socket.js";
import { token } from "./data/token.js";
import { LAYOUT } from "./map-grid.js";
import { ConnectionIndicator } from "./panels/connection-indicator.js";
import { LiqstreamClient } from "./websocket-client.js";

/**
 * @param {object} page
 * @param {import("./state/view-state.js").ViewStore} page.store
 * @param {import("./map-grid.js").MapGrid} page.mapGrid
 * @param {import("./data/market-loader.js").MarketLoader} page.loader
 * @returns {{ client: LiqstreamClient, connection: ConnectionIndicator }} connecting
 */
export function startLiveSocket({ store, mapGrid, loader }) {
  const client = new LiqstreamClient(socketAddress(), { token: token(), WebSocket: PageSocket });
  const connection = new ConnectionIndicator(client, loader, (status) => {
    for (const { view } of mapGrid.slots.values()) view.setGreyed(status === "disconnected");
    showTitle();
  });
  const showTitle = () => showPrice(mapGrid.market, loader.paused);
  // Another title costs a millisecond.
  const showTitleSoon = oncePerFrame(showTitle);
  const showFocus = () => {
    connection.show(mapGrid.market);
    showTitle();
  };
  loader.subscribe((market) => {
    if (market !== mapGrid.market) return;
    if (document.hidden) showTitle(); // such a tab has no frames
    else showTitleSoon();
  });
  store.subscribe((_, changed) => LAYOUT.some((key) => changed.has(key)) && showFocus());
  document.addEventListener("visibilitychange", () => {
    loader.setHidden(document.hidden);
    showTitle();
  });
  showFocus();
  loader.attach(client);
  client.connect();
  return { client, connection };
}

/**
 * The price in the tab's title.
 * @param {import("./data/market.js").Market} market
 * @param {boolean} paused whether it is no longer followed
 */
function showPrice({ symbol, now }, paused) {
  const text = now ? `${priceText(now.price)} ${symbol}` : symbol;
  const title = `${paused ? "(paused) " : ""}${text} · liqstream`;
  if (title !== document.title) document.title = title;
}
