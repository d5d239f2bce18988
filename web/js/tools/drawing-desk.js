// @ts-check
/**
 * Drawing on the maps: what the next drag draws, which drawing is selected, and the bar that shows both, with
 * a list of what is drawn. Where the pointer draws is in map-drawings.js.
 * @module
 */

import { isLevel } from "../chart/drawings-primitive.js";
import { price as priceText } from "../data/format.js";
import { announce, find, h, note, put } from "../panels/dom.js";
import { Drawings, KINDS, LONGEST_TEXT, MOST_DRAWINGS } from "../state/drawings.js";

/** @typedef {import("../state/drawings.js").Drawing} Drawing */
/** @typedef {import("../state/drawings.js").Kind} Kind */
/** @typedef {import("../state/drawings.js").Anchor} Anchor */
/** @typedef {import("../panels/map-slot.js").MapSlot} MapSlot */

/** @type {Record<Kind, string>} */
const NAMES = { line: "Line", box: "Box", text: "Text" };
/** @type {Record<Kind, string>} */
const HINTS = {
  line: "Drag a line; a click draws a price across the map",
  box: "Drag a box over the map",
  text: "Click where it goes",
};
/** Of what is in sight, how far an arrow key moves. */
const MOVE_SHARE = 0.005;
/** Of what is in sight, half the size of a box that no pointer drew. */
const HALF_SHARE = 0.1;

export class DrawingDesk {
  drawings = new Drawings();
  /** What the next drag on the map draws. @type {Kind | null} */
  pen = null;
  #selected = "";
  /** The market it is of. */
  #selectedOf = "";
  #store;
  #focus;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #pens = KINDS.map((kind) => {
    const title = `Draw: ${NAMES[kind].toLowerCase()}`;
    // A key, which has no place on the map, puts one in its middle.
    const onclick = (/** @type {MouseEvent} */ { detail }) => (detail ? this.take(kind) : this.#put(kind));
    const named = { title, data: { pen: kind }, "aria-pressed": "false" };
    return h("button", { type: "button", ...named, onclick }, NAMES[kind]);
  });
  #hint = h("span", { class: "draw-hint", role: "status" });
  #text = h("input", {
    type: "text",
    maxlength: LONGEST_TEXT,
    placeholder: "Text",
    "aria-label": "Text of the drawing",
  });
  #delete = h("button", { type: "button", title: "Delete (Delete)", onclick: () => this.remove() }, "Delete");
  #count = h("summary");
  #list = h("ul", { "aria-label": "Drawings" });
  #details = h("details", {}, this.#count, this.#list);
  /** Its rows, by the id of what they are of. @type {Map<string, HTMLElement>} */
  #rows = new Map();
  #bar = h("div", { class: "draw-bar", role: "toolbar", "aria-label": "Draw", hidden: true });

  /**
   * @param {import("../state/view-state.js").ViewStore} store
   * @param {() => MapSlot} focus
   */
  constructor(store, focus) {
    this.#store = store;
    this.#focus = focus;
    const close = { type: "button", class: "close", "aria-label": "Close", onclick: () => this.close() };
    put(
      this.#bar,
      ...this.#pens,
      this.#text,
      this.#delete,
      this.#hint,
      this.#details,
      h("button", close, "×"),
    );
    find("#stage").append(this.#bar);
    this.drawings.subscribe(() => this.#changed());
    addEventListener("storage", ({ key, newValue }) => this.drawings.takeStored(key, newValue));
    store.subscribe((_, changed) => {
      if (changed.has("symbol")) this.select("");
      if (changed.has("symbol") || changed.has("utc")) this.#draw();
    });
    this.#details.addEventListener("toggle", () => this.#draw());
    this.#text.addEventListener("input", () => {
      this.#edit({ text: this.#text.value });
      this.drawings.save(this.#symbol);
    });
    this.#text.addEventListener("keydown", ({ key }) => key === "Enter" && this.#text.blur());
    this.#draw();
  }

  /** The one selected of the market in focus. @returns {Drawing | undefined} */
  get selected() {
    return this.drawings.of(this.#symbol).find(({ id }) => id === this.#selected);
  }

  get #symbol() {
    return this.#store.state.symbol;
  }

  /** @param {() => void} listener called when the maps may have to be drawn anew */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Opens the bar, or closes it. */
  toggle() {
    if (!this.#bar.hidden) return this.close();
    this.#show();
    this.#pens[0].focus();
  }

  #show() {
    this.#bar.hidden = false;
    this.#bar.style.top = `${find("#maps").offsetTop}px`; // the line above it is of more lines on a phone
  }

  close() {
    const isInside = this.#bar.contains(document.activeElement);
    this.#details.open = false;
    this.take(null);
    this.select("");
    this.#bar.hidden = true;
    if (isInside) this.#focus().chartElement.focus();
  }

  /** @returns {boolean} whether there was something to let go of */
  escape() {
    if (this.pen) this.take(null);
    else if (this.selected) this.select("");
    else if (!this.#bar.hidden) this.close();
    else return false;
    return true;
  }

  /** @param {Kind | null} kind what the next drag draws; again the same, or null: nothing */
  take(kind) {
    this.pen = kind === this.pen ? null : kind;
    if (this.pen) this.select("");
    this.#changed();
  }

  /** @param {string} id empty: none */
  select(id) {
    const before = this.drawings.of(this.#selectedOf).find((each) => each.id === this.#selected);
    if (before?.kind === "text" && !before.text && before.id !== id) {
      this.drawings.remove(this.#selectedOf, before.id); // nobody would find it again
    }
    if (id === this.#selected) return;
    [this.#selected, this.#selectedOf] = [id, this.#symbol];
    if (id) this.#show();
    this.#changed();
  }

  /** Draws it, and selects it. @param {import("../state/drawings.js").Sketch} sketch */
  add(sketch) {
    this.pen = null;
    const drawing = this.drawings.add(this.#symbol, sketch);
    if (!drawing) {
      note(`${MOST_DRAWINGS} drawings at most: delete one first`);
      return this.#changed();
    }
    this.select(drawing.id);
    announce(`${this.describe(drawing)}. Arrow keys move it, with Shift its end; Delete removes it.`);
    if (drawing.kind === "text") this.#text.focus();
  }

  /** @returns {boolean} whether there was one */
  remove() {
    const { selected } = this;
    if (!selected) return false;
    const isInside = this.#bar.contains(document.activeElement);
    this.drawings.remove(this.#symbol, selected.id);
    this.select("");
    if (isInside) this.#pens[0].focus(); // what had the focus is gone
    announce("Deleted");
    return true;
  }

  /**
   * Moves the one selected by a bar, or a level, where these are finer than can be seen by more.
   * @param {string} key of the arrows
   * @param {boolean} end whether only its end moves
   * @returns {boolean} whether there was one
   */
  move(key, end) {
    const { selected } = this;
    const { viewport, market } = this.#focus().view;
    if (!selected || !market?.matrix) return false;
    const { intervalMs, step } = market.matrix;
    const [[fromMs = 0, toMs = 0], [low = 0, high = 0]] = [viewport.times(), viewport.prices()];
    const by = (/** @type {number} */ unit, /** @type {number} */ span) =>
      unit * Math.max(1, Math.round((MOVE_SHARE * span) / unit));
    const right = { ArrowRight: 1, ArrowLeft: -1 }[key] ?? 0;
    const up = { ArrowUp: 1, ArrowDown: -1 }[key] ?? 0;
    const moved = (/** @type {Anchor} */ at) => ({
      timeMs: at.timeMs + right * by(intervalMs, toMs - fromMs),
      price: at.price + up * by(step, high - low),
    });
    const to = moved(selected.to);
    this.#edit(end && selected.kind !== "text" ? { to } : { from: moved(selected.from), to });
    this.drawings.save(this.#symbol);
    if (this.selected) announce(this.describe(this.selected));
    return true;
  }

  /** @param {Drawing} drawing @returns {string} what it is and where, in words */
  describe(drawing) {
    const { kind, from, to, text } = drawing;
    const { clock } = this.#focus().view;
    const at = (/** @type {Anchor} */ { timeMs, price }) =>
      `${clock.format(timeMs, "full")}, ${priceText(price)}`;
    const name = [NAMES[kind], text && `“${text}”`].filter(Boolean).join(" ");
    if (isLevel(drawing)) return `${name} at ${priceText(from.price)}`;
    return kind === "text" ? `${name} at ${at(from)}` : `${name} from ${at(from)} to ${at(to)}`;
  }

  /** In the middle of the map, a line at the price. @param {Kind} kind */
  #put(kind) {
    const { viewport, market } = this.#focus().view;
    const [[fromMs = 0, toMs = 0], [low = 0, high = 0]] = [viewport.times(), viewport.prices()];
    if (!market?.matrix || !(high > low)) return;
    const { matrix, shown } = market;
    const inSight = shown && shown.price > low && shown.price < high;
    const price = kind === "line" && inSight ? shown.price : (low + high) / 2;
    const half = kind === "box" ? HALF_SHARE : 0;
    const anchor = (/** @type {number} */ side) => ({
      timeMs: matrix.timeOf(matrix.columnAt((fromMs + toMs) / 2 + side * half * (toMs - fromMs))),
      price: price - side * half * (high - low),
    });
    this.add({ kind, from: anchor(-1), to: anchor(1), text: "" });
  }

  /** @param {Partial<import("../state/drawings.js").Sketch>} patch of the one selected */
  #edit(patch) {
    this.drawings.change(this.#symbol, this.#selected, patch);
  }

  #changed() {
    this.#draw();
    for (const listener of this.#listeners) listener();
  }

  #draw() {
    const { selected, pen } = this;
    for (const button of this.#pens) button.setAttribute("aria-pressed", String(button.dataset.pen === pen));
    this.#text.hidden = this.#delete.hidden = !selected;
    if (selected && this.#text.value !== selected.text) this.#text.value = selected.text;
    this.#hint.textContent = pen ? HINTS[pen] : "";
    this.#hint.hidden = !pen;
    const drawings = this.drawings.of(this.#symbol);
    this.#details.hidden = !drawings.length;
    const counted = `${drawings.length} of ${MOST_DRAWINGS}`;
    this.#count.textContent = counted;
    this.#count.setAttribute("aria-label", `${counted} drawings on ${this.#symbol}`);
    if (!this.#details.open || !drawings.length) return;
    // Rows that stay keep the focus they may have.
    if (drawings.map(({ id }) => id).join() !== [...this.#rows.keys()].join()) {
      this.#rows = new Map(drawings.map(({ id }) => [id, this.#row(id)]));
      put(this.#list, ...this.#rows.values());
    }
    for (const drawing of drawings) {
      const button = /** @type {HTMLElement} */ (this.#rows.get(drawing.id)?.firstChild);
      button.textContent = this.describe(drawing);
      button.setAttribute("aria-pressed", String(drawing === selected));
    }
  }

  /** @param {string} id */
  #row(id) {
    const onclick = () => {
      this.select(id);
      const { selected } = this;
      const { viewport } = this.#focus().view;
      if (!selected) return;
      viewport.showPrice(selected.from.price);
      const [fromMs = 0, toMs = 0] = viewport.times();
      const { timeMs } = selected.from;
      if (isLevel(selected) || (timeMs > fromMs && timeMs < toMs)) return;
      viewport.showTimes([timeMs - (toMs - fromMs) / 2, timeMs + (toMs - fromMs) / 2]);
    };
    return h("li", {}, h("button", { type: "button", onclick }));
  }
}
