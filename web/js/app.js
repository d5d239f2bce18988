// @ts-check
/**
 * The first picture: the state, the markets' histories and the maps. Everything else comes after it.
 * @module
 */

import { facts, resolveTheme, store } from "./facts.js";
import { Feed } from "./data/feed.js";
import { showControls } from "./panels/controls.js";
import { find } from "./panels/dom.js";
import { LAYOUT, Stage } from "./stage.js";

const feed = new Feed({ baseInterval: facts.interval });
const stage = new Stage(find("#maps"), store, feed, facts.symbols);

function showTheme() {
  document.documentElement.dataset.theme = resolveTheme(store.state.theme);
  for (const { view } of stage.slots.values()) view.applyTheme();
}
matchMedia("(prefers-color-scheme: light)").addEventListener("change", showTheme);

store.subscribe((state, changed) => {
  if (changed.has("theme")) showTheme();
  for (const { view } of stage.slots.values()) view.apply(state);
  if (LAYOUT.some((key) => changed.has(key))) stage.layOut();
});

if (facts.embed) {
  // A frame has no room for the controls; what must never be missing moves to the line above the map.
  find(".readout").append(find("#labels"), find("#connection"));
}
showControls(store, facts.symbols);
find("#side").hidden = !store.state.panel;
stage.layOut();

/** What the page consists of, for the console, for scripts that drive it, and for its tests. */
const page = { store, stage, feed, facts };
/** @type {any} */ (globalThis).liqstream = page;

// An empty store must not keep the rest away.
await Promise.race([stage.focus.view.heat.firstDrawn, new Promise((done) => setTimeout(done, 5000))]);
const [{ furnish }] = await Promise.all([import("./furnish.js"), styled("panels.css")]);
Object.assign(page, await furnish(page));

/** @param {string} name of a style sheet @returns {Promise<unknown>} settles once it applies, or cannot be had */
function styled(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`../css/${name}`, import.meta.url).href;
  const settled = new Promise((done) => (link.onload = link.onerror = done));
  document.head.append(link);
  return settled;
}
