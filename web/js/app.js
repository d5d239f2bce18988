// @ts-check
/**
 * Puts the page together: the state, the socket, the markets, the maps and what stands beside them.
 * @module
 */

import { facts, fetchHistory, resolveTheme, store } from "./early.js";
import { ChartView } from "./chart/chart-view.js";
import { Market } from "./data/market.js";
import { historyAddress, readHistory } from "./data/rest.js";
import { intervalOf } from "./state/windows.js";
import { LiqstreamClient } from "./websocket-client.js";

const view = new ChartView(/** @type {HTMLElement} */ (document.querySelector("#maps")), store.state);
const market = new Market(store.state.symbol);
view.show(market);
const { symbol, window: span, venues } = store.state;
readHistory(fetchHistory(historyAddress(symbol, span, intervalOf(span, facts.interval), venues))).then((history) => market.takeHistory(history));
const client = new LiqstreamClient(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/heatmap`);
client.on("snapshot", (snapshot) => market.takeSnapshot(snapshot));
client.subscribe([symbol], { intervalS: 1 });
client.connect();
void resolveTheme;
