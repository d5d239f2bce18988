// @ts-check
/**
 * Looking back: the maps as they were at a time, several at the same, with all figures beside them; played,
 * paused, stepped. What came later is covered.
 * @module
 */

import { h } from "../panels/dom.js";

/** Columns a second. */
const SPEEDS = [2, 5, 10, 30];
/** With nothing pointed at, a look back begins at this share of what is in sight before the newest column. */
const BACK = 0.25;
/** What of the state decides whether this map looks back, and has the controls. */
const DRAWN_BY = /** @type {const} */ (["at", "symbol", "window", "cells"]);

export class TimeTravel {
  #slot;
  #store;
  #isFocus;
  #leave;
  /** @type {ReturnType<typeof setInterval> | undefined} while it plays */
  #playing;
  #speed = SPEEDS[1];
  #later = h("div", { class: "later", hidden: true });
  /** On a map whose window begins after the time looked back to. */
  #tooLate = h("div", { class: "too-late", hidden: true }, "Of now: this window begins later");
  /** Beside the price on the axis, which is of now. */
  #now = h("div", { class: "now-tag", hidden: true }, "now");
  #time = h("span", { role: "status" });
  #play = button("Play (Space)", "▶", () => this.toggle());
  #pace = button("Faster (>), slower (<)", "", () => this.faster(1, true));
  #bar = h("div", { class: "replay-bar", role: "toolbar", "aria-label": "Replay", hidden: true });

  /**
   * @param {import("../panels/map-slot.js").MapSlot} slot
   * @param {import("../state/view-state.js").ViewStore} store
   * @param {() => boolean} isFocus whether the map is in focus: it has the controls
   */
  constructor(slot, store, isFocus) {
    this.#slot = slot;
    this.#store = store;
    this.#isFocus = isFocus;
    this.#bar.append(
      h("b", {}, "REPLAY"),
      this.#time,
      button("A column back (←)", "‹", () => this.step(-1)),
      this.#play,
      button("A column on (→)", "›", () => this.step(1)),
      this.#pace,
      button("Back to now (Esc)", "Live", () => this.stop()),
    );
    slot.chartElement.append(this.#later, this.#tooLate, this.#now, this.#bar);
    this.#leave = store.subscribe((_, changed) => {
      if (DRAWN_BY.some((key) => changed.has(key))) this.draw();
    });
  }

  destroy() {
    clearInterval(this.#playing);
    this.#leave();
    this.#slot.view.market?.lookBack(null);
  }

  /** Whether the maps look back. */
  get isOn() {
    return this.#store.state.at !== null;
  }

  /**
   * Looks back to a column, or ends it; from one of which nothing is known to the last before it of which
   * something is.
   * @param {number | null} column null: a quarter of the map back
   */
  toggleAt(column) {
    const { matrix } = this.#slot.view.market ?? {};
    if (this.isOn || !matrix) return this.stop();
    const [from, to] = this.#slot.view.viewport.times();
    const back = matrix.columnAt(Math.min(to, matrix.timeOf(matrix.end)) - BACK * (to - from));
    let known = column === null || column >= matrix.end - 1 ? back : column;
    while (known > matrix.firstKnown && !matrix.candle(known)) known -= 1;
    this.#lookAt(Math.max(known, matrix.firstKnown));
  }

  stop() {
    this.#pause();
    this.#store.set({ at: null });
  }

  /** Plays or pauses. */
  toggle() {
    if (this.#playing) return this.#pause();
    this.#playing = setInterval(() => this.step(1), 1000 / this.#speed);
    this.draw();
  }

  #pause() {
    clearInterval(this.#playing);
    this.#playing = undefined;
    this.draw();
  }

  /**
   * @param {number} by
   * @param {boolean} [around] whether the slowest follows the fastest
   */
  faster(by, around = false) {
    const at = SPEEDS.indexOf(this.#speed) + by;
    const last = SPEEDS.length - 1;
    this.#speed = SPEEDS[around ? at % SPEEDS.length : Math.min(last, Math.max(0, at))];
    if (this.#playing) {
      this.#pause();
      this.toggle();
    }
    this.draw();
  }

  /** @param {number} by columns; past the newest one it is live again */
  step(by) {
    const { matrix } = this.#slot.view.market ?? {};
    const { at } = this.#store.state;
    if (!this.isOn || !matrix || at === null) return this.#pause();
    let column = matrix.columnAt(at) + by;
    while (matrix.isGap(column)) column += by;
    if (column >= matrix.end - 1) return this.stop();
    this.#lookAt(Math.max(column, matrix.firstKnown));
  }

  /** @param {number} column */
  #lookAt(column) {
    const { view } = this.#slot;
    const { matrix } = view.market ?? {};
    if (!matrix?.candle(column)) return;
    const atMs = matrix.timeOf(column);
    const [from, to] = view.viewport.times();
    const span = to - from;
    if (atMs < from || atMs > to) view.showTimes([atMs - 0.8 * span, atMs + 0.2 * span]);
    this.#store.set({ at: atMs });
  }

  draw() {
    const { view } = this.#slot;
    const { market } = view;
    const { at } = this.#store.state;
    if (!market) return;
    const isFocus = this.#isFocus();
    const { matrix } = market;
    const isOn = at !== null && matrix !== null && at >= matrix.timeOf(matrix.firstKnown);
    market.lookBack(isOn ? at : null);
    this.#later.hidden = !isOn;
    this.#tooLate.hidden = at === null || !matrix || isOn;
    this.#bar.hidden = !isOn || !isFocus;
    if (this.#playing && (!isOn || !isFocus)) {
      clearInterval(this.#playing);
      this.#playing = undefined;
    }
    this.#now.hidden = !isOn;
    if (!isOn) return;
    const { left, width, height } = laterBox(view);
    const y = market.now && view.yOf(market.now.price);
    this.#now.hidden = typeof y !== "number" || y < 0 || y > view.pane.height;
    const place = `translate(${view.pane.width}px, ${Math.round(y ?? 0)}px)`;
    this.#now.style.transform = `${place} translate(-100%, -50%)`;
    Object.assign(this.#later.style, { left: `${left}px`, width: `${width}px`, height: `${height}px` });
    this.#time.textContent = `As of ${view.clock.format(market.shown?.timeMs ?? at, "full")}`;
    this.#play.textContent = this.#playing ? "❚❚" : "▶";
    this.#play.setAttribute("aria-label", this.#playing ? "Pause (Space)" : "Play (Space)");
    this.#pace.textContent = `${this.#speed}/s`;
  }
}

/**
 * The part of a map, and of the pane below it, that came after the time looked back to, which is covered.
 * @param {import("../chart/chart-view.js").ChartView} view
 * @returns {{ left: number, width: number, height: number }} px from the top left corner; no width: now
 */
export function laterBox(view) {
  const { width } = view.pane;
  const height = Math.max(0, view.element.clientHeight - view.chart.timeScale().height());
  const { matrix, at } = view.market ?? {};
  if (!matrix || typeof at !== "number") return { left: width, width: 0, height };
  const column = matrix.columnAt(at);
  const edge = ((view.xOf(column) ?? 0) + (view.xOf(column + 1) ?? 0)) / 2;
  const left = Math.min(width, Math.max(0, edge));
  return { left, width: width - left, height };
}

/**
 * @param {string} name
 * @param {string} text
 * @param {() => void} onclick
 */
function button(name, text, onclick) {
  return h("button", { type: "button", title: name, "aria-label": name, onclick }, text);
}

/**
 * @param {() => TimeTravel | undefined} focus that of the map in focus
 * @param {() => number | null} hovered column under the crosshair
 * @returns {import("./keyboard.js").Shortcut[]}
 */
export function replayShortcuts(focus, hovered) {
  return [
    {
      keys: ["z"],
      name: "Look back to the time pointed at, or live",
      run: () => focus()?.toggleAt(hovered()),
    },
    {
      keys: [" "],
      shown: "Space",
      name: "Replay: play or pause (← → step)",
      run: () => {
        const onButton = document.activeElement?.matches("button, summary"); // which it presses
        return focus()?.isOn && !onButton ? focus()?.toggle() : false;
      },
    },
    {
      keys: ["<", ">"],
      shown: "< >",
      name: "Replay: slower, faster",
      run: (key) => (focus()?.isOn ? focus()?.faster(key === ">" ? 1 : -1) : false),
    },
  ];
}
