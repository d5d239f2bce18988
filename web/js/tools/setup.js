// @ts-check
/**
 * What is not needed for the first picture: menus, alerts, export, measuring, keyboard, help.
 * @module
 */

import { resolveTheme } from "../page-facts.js";
import { displayMenu } from "../panels/display-menu.js";
import { find } from "../panels/dom.js";
import { closePopover, Popover } from "../panels/popover.js";
import { TIER_SETS } from "../state/leverage-tiers.js";
import { marketPatch } from "../state/price-range-choice.js";
import { LONG_WINDOWS } from "../state/time-windows.js";
import { AlertMarks } from "./alert-marks.js";
import { Alerts } from "./alerts.js";
import { CellTools } from "./cell-tools.js";
import { DrawingDesk } from "./drawing-desk.js";
import { exportMenu } from "./export.js";
import { IfPriceLine } from "./if-price.js";
import { helpDialog, listen } from "./keyboard.js";
import { Layouts } from "./layouts.js";
import { MapDrawings } from "./map-drawings.js";
import { MarketSearch } from "./market-search.js";
import { Measure } from "./measure.js";
import { keepSizesInPrint } from "./print.js";
import { PushSwitch } from "./push-switch.js";
import { SweptOutlines } from "./swept-outlines.js";
import { replayShortcuts, TimeTravel } from "./time-travel.js";
import { TouchTools } from "./touch-tools.js";

/**
 * @typedef {import("../live-ui.js").Page & { tabs: import("../panels/side-tabs.js").SideTabs }} Page
 */

/** @param {Page} page */
export function setUpTools(page) {
  const { store, mapGrid, loader, facts } = page;
  const alerts = new Alerts();
  loader.keepAwakeWhile(() => alerts.watching || store.state.background);
  loader.subscribe((market) => market === loader.marketOf(market.symbol) && alerts.look(market));

  /** @type {Set<Measure>} of the maps in sight */
  const measures = new Set();
  /** @type {Map<import("../panels/map-slot.js").MapSlot, IfPriceLine>} of the maps in sight */
  const ifPrices = new Map();
  /** @type {Map<import("../panels/map-slot.js").MapSlot, TimeTravel>} of the maps in sight */
  const travels = new Map();
  const travel = () => travels.get(mapGrid.focus);
  const desk = new DrawingDesk(store, () => mapGrid.focus);
  /** @param {import("../panels/map-slot.js").MapSlot} slot */
  const addTools = (slot) => {
    // First, as it takes the presses on drawings from the others.
    slot.addOverlay(new MapDrawings(slot, desk, () => slot === mapGrid.focus));
    const measure = new Measure(slot.chartElement, slot.view, () => touch.release());
    const marks = new AlertMarks(slot.chartElement, slot.view, alerts);
    const ifPrice = new IfPriceLine(slot.chartElement, slot.view, store);
    const travel = new TimeTravel(slot, store, () => slot === mapGrid.focus);
    const touch = new TouchTools(slot.chartElement, measure, {
      setAlert: (y) => marks.addAt(y),
      setTarget: (y) => ifPrice.putAt(y),
    });
    touch.add("✎", "Draw: line, box, text", () => desk.toggle());
    touch.add("⟲", "Look back in time", () => travel.toggleAt(null));
    slot.addOverlay(new SweptOutlines(slot, store));
    travels.set(slot, travel);
    slot.addOverlay({
      draw: () => travel.draw(),
      destroy: () => {
        travel.destroy();
        travels.delete(slot);
      },
    });
    measures.add(measure);
    ifPrices.set(slot, ifPrice);
    slot.addOverlay({
      draw: () => ifPrice.draw(),
      destroy: () => {
        ifPrice.destroy();
        ifPrices.delete(slot);
      },
    });
    slot.addOverlay({ draw: () => marks.draw(), destroy: () => marks.leave() });
    slot.addOverlay({ draw: () => measure.draw(), destroy: () => measures.delete(measure) });
  };
  mapGrid.forEachMap(addTools);

  const display = new Popover(
    find("#display-button"),
    "Settings",
    displayMenu(
      store,
      () => mapGrid.market.exchanges,
      {
        lookBack: () => {
          closePopover();
          travel()?.toggleAt(null);
        },
        draw: () => {
          closePopover();
          desk.toggle();
        },
      },
    ),
  );
  const exporting = new Popover(
    find("#export-button"),
    "Export",
    exportMenu(
      () => {
        desk.select(""); // a picture shows no handles
        return { slot: mapGrid.focus, state: store.state, interval: loader.interval };
      },
      () => closePopover(),
    ),
  );
  const here = () => {
    const { symbol, now } = mapGrid.market;
    return { symbol, price: now?.price ?? 0 };
  };
  const push = new PushSwitch(alerts);
  const alertPanel = new Popover(
    find("#alerts-button"),
    "Alerts",
    () => [...alerts.form(here()), push.shown(), ...alerts.parts],
    () => alerts.opened(here()),
  );
  const follow = () => alertPanel.isOpen && alerts.follow(here());
  loader.subscribe(follow);
  store.subscribe(follow);
  const lit = () => (find("#alerts-button").dataset.on = alerts.watching ? "1" : "0");
  alerts.subscribe(lit);
  lit();

  const arranging = new Popover(find("#grid-button"), "Layouts", () => layouts.menu());
  const layouts = new Layouts(store, mapGrid, facts.symbols, () => arranging.refresh());
  mapGrid.forEachMap((slot) => {
    slot.addOverlay(new CellTools(slot, store, layouts, () => mapGrid.keyOf(slot)));
  });
  const search = new MarketSearch(store, facts.symbols);
  const shortcuts = shortcutsOf(page, {
    display,
    exporting,
    alertPanel,
    arranging,
    layouts,
    search,
    travel,
    desk,
    ifPrice: () => ifPrices.get(mapGrid.focus)?.toggle(),
    help: () => help.showModal(),
    escape: () => {
      if (closePopover() || desk.escape()) return;
      if (travel()?.isOn) return travel()?.stop();
      for (const measure of measures) measure.clear();
    },
  });
  const help = helpDialog(shortcuts, facts.version);
  find("#help-button").addEventListener("click", () => help.showModal());
  listen(shortcuts);
  keepSizesInPrint();
}

/**
 * @template T
 * @param {readonly T[]} values
 * @param {T} value
 * @returns {T} the one after it
 */
function after(values, value) {
  return values[(values.indexOf(value) + 1) % values.length];
}

/**
 * @param {Page} page
 * @param {object} open
 * @param {Popover} open.display
 * @param {Popover} open.exporting
 * @param {Popover} open.alertPanel
 * @param {Popover} open.arranging
 * @param {Layouts} open.layouts
 * @param {MarketSearch} open.search
 * @param {() => TimeTravel | undefined} open.travel of the map in focus
 * @param {DrawingDesk} open.desk
 * @param {() => void} open.ifPrice
 * @param {() => void} open.help
 * @param {() => void} open.escape
 * @returns {import("./keyboard.js").Shortcut[]}
 */
function shortcutsOf({ store, mapGrid, facts, tabs }, open) {
  const turn = (
    /** @type {string} */ key,
    /** @type {string} */ name,
    /** @type {keyof import("../state/view-state.js").ViewState} */ field,
    /** @type {readonly unknown[]} */ values,
  ) => ({
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
    {
      keys: LONG_WINDOWS.map((_, i) => String(i + 1)),
      shown: "1 – 9",
      name: "Window from 12 h to 1 y",
      run: (key) => store.set({ window: LONG_WINDOWS[Number(key) - 1], times: [] }),
    },
    {
      keys: ["0"],
      name: "Window of 4 h, 1 h",
      run: () => store.set({ window: store.state.window === "4h" ? "1h" : "4h", times: [] }),
    },
    { keys: ["m"], name: "All markets", run: () => location.assign("markets") },
    { keys: ["["], name: "Previous market", run: () => market(-1) },
    { keys: ["]"], name: "Next market", run: () => market(1) },
    turn("v", "Clusters or all levels", "view", ["clusters", "density"]),
    turn("b", "Both sides, longs, shorts", "side", ["both", "long", "short"]),
    {
      keys: ["k"],
      name: "Leverage: all, ≤25x, ≥50x",
      run: () => {
        const at = TIER_SETS.findIndex((tiers) => tiers.join() === store.state.lev.join());
        store.set({ lev: TIER_SETS[(at + 1) % TIER_SETS.length] });
      },
    },
    turn("p", "Palette", "palette", ["viridis", "magma"]),
    turn("s", "Colour scale: square root, linear, log, rank", "scale", ["sqrt", "linear", "log", "rank"]),
    turn("l", "Lock colour scale", "lock", onOff),
    turn("c", "Candles", "candles", onOff),
    turn("o", "Liquidations", "dots", onOff),
    turn("q", "Swept clusters: expected, liquidated", "swept", onOff),
    turn("f", "Price range: near, candles, whole map", "fit", ["near", "candles", "map"]),
    ...replayShortcuts(open.travel, () => mapGrid.hovered),
    ...moveShortcuts(store, mapGrid, open),
    { keys: ["h"], name: "Draw: line, box, text", run: () => open.desk.toggle() },
    {
      keys: ["Delete", "Backspace"],
      shown: "Delete",
      name: "Delete the drawing (arrows move it, Shift its end)",
      run: () => open.desk.remove(),
    },
    { keys: ["i"], name: "If the price goes to: a line, its arrows move it", run: open.ifPrice },
    { keys: ["g"], name: "Grid", run: () => open.layouts.nextGrid() },
    { keys: ["y"], name: "Layouts", run: () => open.arranging.toggle() },
    { keys: ["/"], name: "Search a market, as sol 7d", run: () => open.search.open() },
    turn("w", "Open interest and liquidations below the map", "pane", ["none", "oi"]),
    turn("n", "Side panel", "panel", onOff),
    { keys: ["x"], name: "Levels or tape of liquidations", run: () => tabs.toggleTape() },
    {
      keys: ["t"],
      name: "Dark or light",
      run: () => store.set({ theme: resolveTheme(store.state.theme) === "dark" ? "light" : "dark" }),
    },
    turn("u", "Times in UTC", "utc", onOff),
    { keys: ["d"], name: "Settings", run: () => open.display.toggle() },
    { keys: ["a"], name: "Alerts", run: () => open.alertPanel.toggle() },
    { keys: ["e"], name: "Export", run: () => open.exporting.toggle() },
    { keys: ["?"], name: "This help", run: open.help },
    { keys: ["Escape"], name: "", run: open.escape },
  ];
}

/**
 * Moving and zooming the map in focus, and back.
 * @param {Page["store"]} store
 * @param {Page["mapGrid"]} mapGrid
 * @param {{ travel: () => TimeTravel | undefined, desk: DrawingDesk }} open while there is a drawing selected
 * the arrows move it, while the map in focus looks back they step
 * @returns {import("./keyboard.js").Shortcut[]}
 */
function moveShortcuts(store, mapGrid, { travel, desk }) {
  return [
    {
      keys: ["ArrowLeft", "ArrowRight"],
      shown: "← →",
      name: "Move in time",
      run: (key, { shiftKey }) => {
        const by = key === "ArrowLeft" ? -1 : 1;
        if (desk.move(key, shiftKey)) return;
        if (travel()?.isOn) travel()?.step(by);
        else mapGrid.focus.view.viewport.pan(0.1 * by, 0);
      },
    },
    {
      keys: ["ArrowUp", "ArrowDown"],
      shown: "↑ ↓",
      name: "Move in price",
      run: (key, { shiftKey }) =>
        desk.move(key, shiftKey) || mapGrid.focus.view.viewport.pan(0, key === "ArrowUp" ? 0.1 : -0.1),
    },
    {
      keys: ["+", "=", "-"],
      shown: "+ −",
      name: "Zoom in time",
      run: (key) => mapGrid.focus.view.viewport.zoomTime(key === "-" ? 1.25 : 0.8),
    },
    {
      keys: [".", ","],
      shown: ", .",
      name: "Zoom in price",
      run: (key) =>
        mapGrid.focus.view.viewport.zoomPrice(
          key === "," ? 1.25 : 0.8,
          mapGrid.focus.view.market?.now?.price,
        ),
    },
    { keys: ["End"], name: "Back to now", run: () => mapGrid.focus.goLive() },
    {
      keys: ["r"],
      name: "Reset view",
      run: () => {
        store.set({ times: [], prices: [], fit: store.state.fit === "free" ? "near" : store.state.fit });
        for (const { view } of mapGrid.slots.values()) view.viewport.fitTime();
      },
    },
  ];
}
