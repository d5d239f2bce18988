// @ts-check
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { savedLayouts, saveLayout } from "../../web/js/state/layouts.js";
import { marketPatch } from "../../web/js/state/price-range-choice.js";
import { rememberedState, rememberSettings } from "../../web/js/state/settings.js";
import { keep, onUnsaved, recall } from "../../web/js/state/storage.js";
import { initialState } from "../../web/js/state/view-state.js";

/** @type {Map<string, string>} */
const stored = new Map();
let full = false;

beforeEach(() => {
  full = false;
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    value: {
      getItem: (/** @type {string} */ key) => stored.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ text) => {
        if (full) throw new DOMException("full", "QuotaExceededError");
        stored.set(key, text);
      },
    },
  });
});

test("taste is remembered, what is looked at is not", () => {
  const state = { ...initialState(), theme: /** @type {const} */ ("light"), utc: true, panel: false, low: 500 };
  rememberSettings(state, new Set(["low"]));
  assert.deepEqual(rememberedState(), initialState());
  rememberSettings(state, new Set(["theme", "utc", "panel"]));
  assert.deepEqual(rememberedState(), { ...initialState(), theme: "light", utc: true, panel: false });
  rememberSettings(initialState(), new Set(["theme", "utc", "panel"]));
  assert.deepEqual(rememberedState(), initialState());
});

test("what another tab keeps is neither hidden nor undone by what this one kept before", () => {
  keep("liqstream.settings", "palette=magma");
  stored.set("liqstream.settings", "theme=light"); // by another tab
  rememberSettings({ ...initialState(), utc: true }, new Set(["utc"]));
  assert.deepEqual(rememberedState(), { ...initialState(), theme: "light", utc: true });
  saveLayout("A", ["BTCUSDT:3d"]);
  stored.set("liqstream.layouts", JSON.stringify([["B", "ETHUSDT:3d"], ["A", "BTCUSDT:3d"]]));
  saveLayout("C", ["BTCUSDT:7d"]);
  assert.deepEqual(savedLayouts().map(({ name }) => name), ["C", "B", "A"]);
  stored.set("liqstream.fits", JSON.stringify([["XRPUSDT", { fit: "map", prices: [] }]]));
  marketPatch({ ...initialState(), symbol: "BTCUSDT", fit: "candles" }, "ETHUSDT");
  const fits = new Map(JSON.parse(stored.get("liqstream.fits") ?? "[]"));
  assert.deepEqual([...fits.keys()], ["XRPUSDT", "BTCUSDT"]);
  for (const key of ["settings", "layouts", "fits"]) stored.delete(`liqstream.${key}`);
});

test("what cannot be stored lasts as long as the page, and that is told once", () => {
  let told = 0;
  onUnsaved(() => told++);
  assert.equal(keep("a", "1"), true);
  full = true;
  assert.equal(keep("a", "2"), false);
  assert.equal(keep("b", "3"), false);
  assert.deepEqual([recall("a"), recall("b"), stored.get("a"), told], ["2", "3", "1", 1]);
  onUnsaved(() => told++);
  assert.equal(told, 2);
  Object.defineProperty(globalThis, "localStorage", {
    configurable: true,
    get: () => {
      throw new DOMException("forbidden in this frame", "SecurityError");
    },
  });
  assert.deepEqual([recall("a"), recall("never")], ["2", null]);
  assert.equal(keep("c", "4"), false);
});
