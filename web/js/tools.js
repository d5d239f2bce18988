// @ts-check
/**
 * What is not needed for the first picture: menus, alerts, export, measuring, keyboard, help.
 * @module
 */

import { displayMenu } from "./panels/display-menu.js";
import { find } from "./panels/dom.js";
import { closePopover, Popover } from "./panels/popover.js";
import { marketPatch } from "./state/fits.js";
import { WINDOW_NAMES } from "./state/windows.js";
import { AlertMarks, Alerts } from "./tools/alerts.js";
import { exportMenu } from "./tools/export.js";
import { helpDialog, listen } from "./tools/keyboard.js";
import { Measure } from "./tools/measure.js";

/** @typedef {{ store: import("./state/store.js").Store, stage: import("./stage.js").Stage, feed: import("./data/feed.js").Feed, client: import("./websocket-client.js").LiqstreamClient, facts: { symbols: string[], version: string, embed: boolean } }} Page */

/** @param {Page} page */
export function setUpTools(page) {
  const { store, stage, feed, facts } = page;
  const alerts = new Alerts();
  feed.keepAwake = () => alerts.watching;
  feed.watch((market) => alerts.look(market));

  /** @param {import("./panels/map-slot.js").MapSlot} slot */
  const equip = (slot) => {
    new Measure(slot.chartElement, slot.view);
    const marks = new AlertMarks(slot.chartElement, slot.view, alerts);
    slot.onDraw = () => marks.draw();
    slot.onDestroy = () => marks.leave();
    marks.draw();
  };
  stage.equip(equip);

  const display = new Popover(find("#display-button"), "Display", displayMenu(store, () => feed.knownVenues(store.state.symbol)));
  const exporting = new Popover(find("#export-button"), "Export", exportMenu(() => ({ slot: stage.focus, state: store.state, interval: feed.interval }), () => closePopover()));
  const alertPanel = new Popover(find("#alerts-button"), "Alerts", () => alerts.form(() => ({ symbol: store.state.symbol, price: feed.market(store.state.symbol).now?.price ?? 0 })));
  alerts.subscribe(() => alertPanel.refresh());
  const lit = () => (find("#alerts-button").dataset.on = alerts.watching ? "1" : "0");
  alerts.subscribe(lit);
  lit();

  const nextGrid = () => store.set({ grid: { 1: 4, 4: facts.symbols.length > 4 ? 9 : 1, 9: 1 }[store.state.grid] ?? 1 });
  find("#grid-button").addEventListener("click", nextGrid);
  const shortcuts = shortcutsOf(page, { display, exporting, alertPanel, nextGrid, help: () => help.showModal() });
  const help = helpDialog(shortcuts, facts.version);
  find("#help-button").addEventListener("click", () => help.showModal());
  listen(shortcuts);
}

/** @template T @param {readonly T[]} values @param {T} value @returns {T} the one after it */
function after(values, value) {
  return values[(values.indexOf(value) + 1) % values.length];
}

/**
 * @param {Page} page
 * @param {{ display: Popover, exporting: Popover, alertPanel: Popover, nextGrid: () => void, help: () => void }} open
 * @returns {import("./tools/keyboard.js").Shortcut[]}
 */
function shortcutsOf({ store, stage, facts }, open) {
  const turn = (/** @type {string} */ key, /** @type {string} */ name, /** @type {keyof import("./state/store.js").ViewState} */ field, /** @type {readonly any[]} */ values) => ({
    keys: [key],
    name,
    run: () => store.set({ [field]: after(values, store.state[field]) }),
  });
  const market = (/** @type {number} */ by) => {
    const { symbols } = facts;
    const at = symbols.indexOf(store.state.symbol);
    store.set(marketPatch(store.state, symbols[(at + by + symbols.length) % symbols.length]));
  };
  const onOff = [true, false];
  return [
    { keys: WINDOW_NAMES.map((_, i) => String(i + 1)), shown: "1 – 9", name: "Window from 12 h to 1 y", run: (key) => store.set({ window: WINDOW_NAMES[Number(key) - 1], times: [] }) },
    { keys: ["["], name: "Previous market", run: () => market(-1) },
    { keys: ["]"], name: "Next market", run: () => market(1) },
    turn("v", "Clusters or density", "view", ["clusters", "density"]),
    turn("b", "Both sides, longs, shorts", "side", ["both", "long", "short"]),
    turn("p", "Palette", "palette", ["viridis", "magma"]),
    turn("s", "Intensity: √, linear, log, rank", "scale", ["sqrt", "linear", "log", "rank"]),
    turn("l", "Hold the colours", "lock", onOff),
    turn("c", "Candles", "candles", onOff),
    turn("o", "Realised liquidations", "dots", onOff),
    turn("f", "Price range: near, candles, whole map", "fit", ["near", "candles", "map"]),
    { keys: ["ArrowLeft", "ArrowRight"], shown: "← →", name: "Move in time", run: (key) => stage.focus.view.viewport.pan(key === "ArrowLeft" ? -0.1 : 0.1, 0) },
    { keys: ["ArrowUp", "ArrowDown"], shown: "↑ ↓", name: "Move in price", run: (key) => stage.focus.view.viewport.pan(0, key === "ArrowUp" ? 0.1 : -0.1) },
    { keys: ["+", "=", "-"], shown: "+ −", name: "Zoom in time", run: (key) => stage.focus.view.viewport.zoomTime(key === "-" ? 1.25 : 0.8) },
    { keys: [".", ","], shown: ", .", name: "Zoom in price", run: (key) => stage.focus.view.viewport.zoomPrice(key === "," ? 1.25 : 0.8, stage.focus.view.market?.now?.price) },
    { keys: ["End"], name: "Back to now", run: () => stage.focus.goLive() },
    {
      keys: ["r"],
      name: "Whole window, price range by itself",
      run: () => {
        store.set({ times: [], prices: [], fit: store.state.fit === "free" ? "near" : store.state.fit });
        for (const { view } of stage.slots.values()) view.viewport.fitTime();
      },
    },
    { keys: ["g"], name: "One market or several", run: open.nextGrid },
    turn("n", "Side panel", "panel", onOff),
    turn("t", "Dark or light", "theme", ["dark", "light"]),
    turn("u", "Times in UTC", "utc", onOff),
    { keys: ["d"], name: "Display", run: () => open.display.toggle() },
    { keys: ["a"], name: "Alerts", run: () => open.alertPanel.toggle() },
    { keys: ["e"], name: "Export", run: () => open.exporting.toggle() },
    { keys: ["?"], name: "This overlay", run: open.help },
    { keys: ["Escape"], name: "", run: closePopover },
  ];
}
