// @ts-check
/**
 * The page of all markets: a table that is searched, sorted and live, whose rows open their maps.
 * @module
 */

import { counted } from "./data/format.js";
import { Liveness } from "./data/liveness.js";
import { fetchMarkets, isNewer } from "./data/market-poll.js";
import { COLUMNS } from "./data/market-rows.js";
import { PageSocket, socketAddress } from "./data/page-socket.js";
import { askedToken, token } from "./data/token.js";
import { facts, resolveTheme, store } from "./page-facts.js";
import { find, h, put } from "./panels/dom.js";
import { MarketStatus } from "./panels/market-status.js";
import { MarketTablePanel } from "./panels/market-table.js";
import { formatMarketView, parseMarketView, sortedBy } from "./state/market-view.js";
import { rememberSettings } from "./state/settings.js";
import { listen, shortcutList } from "./tools/keyboard.js";
import { LiqstreamClient } from "./websocket-client.js";

/** @typedef {import("./wire/market-table.js").MarketTable} MarketTable */
/** @typedef {import("./state/market-view.js").MarketView} MarketView */

const POLL_MS = 5000;
const PAUSE_AFTER_MS = 30_000;

const { unreadable, ...initialView } = parseMarketView(location.search);
/** @type {MarketView} */
let view = initialView;
/** @type {MarketTable | null} */
let held = null;
let failure = "";
let isAsking = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let pausing;

const client = new LiqstreamClient(socketAddress(), { token: token(), WebSocket: PageSocket });
const status = new MarketStatus(client, new Liveness(client, () => status.draw()), () => store.state.utc);
const search = /** @type {HTMLInputElement} */ (find("#search"));
const isPhone = matchMedia("(max-width: 700px), (pointer: coarse)"); // which has no room, or no keys
const order = /** @type {HTMLSelectElement} */ (find("#order"));
const table = new MarketTablePanel(find("#table"), view, (key) => change(sortedBy(view, key)));

/**
 * @param {MarketTable} newest
 * @param {boolean} polled
 */
function show(newest, polled) {
  held = newest;
  failure = "";
  table.show(newest);
  status.took(newest, polled);
  performance.mark("liqstream:markets");
  showState();
}

/** One sentence where there are no rows: why. */
function showState() {
  const { shown, all } = table.counts;
  const many = counted(all, "market");
  find("#count").textContent = !held ? "" : shown === all ? many : `${shown} of ${many}`;
  const empty = find("#empty");
  empty.hidden = shown > 0;
  if (shown) return;
  if (held && all) {
    const clear = h("button", { type: "button", onclick: () => seek("") }, "Show all");
    put(empty, h("strong", {}, `No market matches “${view.q}”`), clear);
  } else if (held) put(empty, h("strong", {}, "This server follows no market"));
  else if (failure) {
    const why = `The server says: ${failure}. Trying again.`;
    put(empty, h("strong", {}, "No figures yet"), h("span", {}, why));
  } else put(empty, h("strong", {}, "Loading markets"));
}

/** Fetches a table, one at a time: a server that hangs would be asked ever more. */
async function poll() {
  if (isAsking) return;
  isAsking = true;
  try {
    const newest = await fetchMarkets().finally(() => (isAsking = false));
    if (isNewer(newest, held)) show(newest, true);
    else status.took(newest, true);
  } catch (error) {
    status.missed();
    failure = error instanceof Error ? error.message : String(error);
    if (await askedToken(() => {})) location.reload();
  }
  showState();
}

/** @param {MarketView} next */
function change(next) {
  view = next;
  table.apply(view);
  showOrder();
  showState();
  const query = formatMarketView(view, location.search);
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

/** @param {string} q */
function seek(q) {
  if (search.value !== q) search.value = q;
  change({ ...view, q });
}

/** The two controls a phone has in the place of headings. */
function showOrder() {
  order.value = view.sort;
  const turn = find("#turn");
  turn.textContent = view.descending ? "▼" : "▲";
  turn.setAttribute("aria-label", view.descending ? "Largest first" : "Smallest first");
}

function turnTheme() {
  store.set({ theme: resolveTheme(store.state.theme) === "dark" ? "light" : "dark" });
}

function followVisibility() {
  clearTimeout(pausing);
  if (!document.hidden) {
    status.pause(false);
    client.connect();
  } else if (!store.state.background) {
    pausing = setTimeout(() => {
      client.close();
      status.pause(true);
    }, PAUSE_AFTER_MS);
  }
}

store.subscribe((state) => (document.documentElement.dataset.theme = resolveTheme(state.theme)));
store.subscribe(rememberSettings);
find("#theme-button").addEventListener("click", turnTheme);
put(order, ...COLUMNS.map(({ key, name }) => h("option", { value: key }, name)));
order.addEventListener("change", () => {
  const key = COLUMNS.find((column) => column.key === order.value)?.key;
  if (key) change(sortedBy({ ...view, sort: key === "market" ? "price" : "market" }, key));
});
find("#turn").addEventListener("click", () => change({ ...view, descending: !view.descending }));
search.value = view.q;
const showHint = () => (search.placeholder = isPhone.matches ? "Search" : "Search (/)");
isPhone.addEventListener("change", showHint);
showHint();
search.addEventListener("input", () => seek(search.value));
search.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "Enter") table.move(1);
  else if (event.key === "Escape" && !search.value) search.blur();
  else if (event.key === "Escape") seek("");
  else return;
  event.preventDefault();
});

const help = helpDialog();
const shortcuts = [
  { keys: ["/"], name: "Search", run: () => search.focus() },
  { keys: ["ArrowDown"], shown: "↑ ↓", name: "Choose a market", run: () => table.move(1) },
  { keys: ["ArrowUp"], name: "", run: () => table.move(-1) },
  { keys: ["Home"], shown: "Home End", name: "First, last market", run: () => table.move(-Infinity) },
  { keys: ["End"], name: "", run: () => table.move(Infinity) },
  { keys: ["PageDown"], name: "", run: () => table.move(10) },
  { keys: ["PageUp"], name: "", run: () => table.move(-10) },
  { keys: ["m"], name: "Map", run: () => location.assign("./") },
  { keys: ["t"], name: "Dark or light", run: turnTheme },
  { keys: ["?"], name: "This help", run: () => help.showModal() },
];
put(find(".keys"), shortcutList(shortcuts));
listen(shortcuts);
find("#help-button").addEventListener("click", () => help.showModal());

function helpDialog() {
  const dialog = h("dialog", { class: "help", "aria-label": "Help" });
  const close = h("button", { class: "close", type: "button", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  put(
    dialog,
    h("div", { class: "dialog-head" }, h("h2", {}, "Keyboard"), close),
    h("div", { class: "keys" }),
    h("h2", {}, "Columns"),
    h(
      "dl",
      { class: "words" },
      ...COLUMNS.flatMap(({ name, meaning }) => [h("dt", {}, name), h("dd", {}, meaning)]),
    ),
    h("p", {}, "The order holds still while the pointer or the keyboard is among the rows."),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return dialog;
}

showOrder();
showState();
if (unreadable) status.say(unreadable);
client.on("markets", (newest) => show(newest, false));
client.subscribeMarkets();
client.connect();
void poll();
setInterval(() => {
  const isStreamed = client.status.state === "open" && client.markets;
  if (!isStreamed && !document.hidden && client.status.state !== "idle") void poll();
}, POLL_MS);
document.addEventListener("visibilitychange", followVisibility);

/** What the page consists of, for the console, for scripts that drive it, and for its tests. */
Object.assign(globalThis, { liqstream: { client, table, status, facts, store } });
