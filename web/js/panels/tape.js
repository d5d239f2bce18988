// @ts-check
/**
 * The tape: liquidations as they happen, newest first, on a tab beside the map. It is
 * drawn a few times a second however many come, and holds still under the pointer.
 * @module
 */

import { EventStream } from "../data/event-stream.js";
import { Clock, counted, price, usd } from "../data/format.js";
import { keyOf } from "../data/liquidation-rows.js";
import { store } from "../page-facts.js";
import { announce, h, note, put } from "./dom.js";
import { TapeSound } from "./tape-sound.js";

/** @typedef {import("../data/market.js").Market} Market */
/**
 * @typedef {object} Trade a liquidation of the tape
 * @property {number} timeMs
 * @property {string} exchange
 * @property {"long" | "short"} side
 * @property {number} price
 * @property {number} usd
 */

/** What of the state decides what is on it. */
const FOLLOWED = /** @type {const} */ (["tab", "tape", "panel", "utc", "venues", "symbol", "at"]);
const ROWS = 200;
/** What is kept to choose from when the least size is changed. */
const KEPT = 2000;
const DRAW_MS = 300;
const SUMMARY_MS = 60_000;
const QUARTER_MS = 900_000;
const LEAST = [0, 10_000, 100_000, 1_000_000];
/** USD from which a row is heavier. */
const WEIGHTS = [10_000, 100_000, 1_000_000];
/** @type {Record<import("../data/event-stream.js").EventStreamState, string>} */
const EMPTY = {
  connecting: "Connecting to the tape",
  open: "None yet. New ones come in at the top.",
  failed: "The tape could not be fetched. Trying again.",
  none: "This server has no tape: ask one that collects data.",
};

export class Tape {
  /** @type {Market | null} */
  #market = null;
  /** Oldest first, of the market. @type {Trade[]} */
  #trades = [];
  #of = "";
  /** What the map has fetched, as far as it is among them; null: nothing yet. @type {Trade[] | null} */
  #fetched = null;
  #lost = 0;
  #waiting = 0;
  #isPointedAt = false;
  /** @type {import("../data/event-stream.js").EventStreamState} */
  state = "connecting";
  #stream = new EventStream(
    (events) => this.#take(events),
    (state) => this.#setState(state),
  );
  sound = new TapeSound();
  #soundButton = h("button", { type: "button", class: "sound", "aria-pressed": "false" }, "Sound");
  #least = h("select", { "aria-label": "Least size" });
  #status = h("p", { class: "quiet" });
  /** @type {TapeRow[]} newest first */
  #rows = [];
  #list = h("ol", { class: "tape-rows", tabindex: 0, "aria-label": "Liquidations, newest first" });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #drawing;
  #utc = store.state.utc;
  #clock = new Clock(this.#utc);
  #minute = { count: 0, long: 0, short: 0 };
  /** Drawings and rows written, for tests. */
  drawn = 0;

  /** @param {HTMLElement} body of the side panel */
  constructor(body) {
    const head = h("div", { class: "tape-head" }, this.#least, this.#soundButton);
    body.append(h("section", { class: "block tape", data: { of: "tape" } }, head, this.#status, this.#list));
    this.#listen();
    store.subscribe((_, changed) => {
      if (FOLLOWED.some((key) => changed.has(key))) this.#follow();
    });
    setInterval(() => this.#summarise(), SUMMARY_MS);
  }

  /** The tape is of this market from now on. @param {Market} market */
  show(market) {
    this.#market = market;
    this.#follow();
  }

  /** What is known of the market may be more: liquidations before the stream began, or while it was away. */
  draw() {
    const { symbol, venues } = store.state;
    if (!this.#isOpen || this.#market?.liquidationsState !== "loaded") return;
    if (this.#market.symbol !== symbol || !this.#market.isOf(venues)) return;
    const { liquidations } = this.#market;
    if (liquidations === this.#fetched) return;
    this.#fetched = liquidations;
    const known = new Set(this.#trades.map(keyOf));
    const missed = liquidations.slice(-KEPT).filter((each) => !known.has(keyOf(each)));
    const all = [...this.#trades, ...missed].sort((a, b) => a.timeMs - b.timeMs);
    this.#trades = all.slice(-KEPT);
    this.#drawSoon();
  }

  get #isOpen() {
    return store.state.tab === "tape" && store.state.panel;
  }

  #listen() {
    this.#least.addEventListener("change", () => store.set({ tape: Number(this.#least.value) || null }));
    this.#soundButton.addEventListener("click", () => {
      this.sound.toggle();
      this.#soundButton.setAttribute("aria-pressed", String(this.sound.isOn));
      note(this.sound.isOn ? "Sound on: low for longs, high for shorts" : "Sound off");
    });
    const hold = (/** @type {boolean} */ on) => {
      this.#isPointedAt = on;
      this.#drawSoon();
    };
    this.#list.addEventListener("pointerenter", ({ pointerType }) => hold(pointerType === "mouse"));
    this.#list.addEventListener("pointerleave", () => hold(false));
    this.#list.addEventListener("focus", () => hold(true));
    this.#list.addEventListener("blur", () => hold(false));
    document.addEventListener("visibilitychange", () => this.#follow());
  }

  /** Streams only while it is of use. */
  #follow() {
    const { tape, symbol, venues } = store.state;
    const of = `${symbol} ${venues.join()}`;
    if (of !== this.#of) {
      [this.#of, this.#trades, this.#fetched, this.#lost, this.#waiting] = [of, [], null, 0, 0];
    }
    const isWanted = this.#isOpen && this.#market && (!document.hidden || this.sound.isOn);
    const address = `api/events?${new URLSearchParams({ symbol })}`;
    this.#stream.follow(isWanted ? address : "");
    if (!this.#isOpen) return;
    this.#fillLeast(tape ?? 0);
    this.draw();
    this.#drawSoon();
  }

  /** @param {number} least */
  #fillLeast(least) {
    const choices = [...new Set([...LEAST, least])].sort((a, b) => a - b);
    const option = (/** @type {number} */ each) =>
      h("option", { value: each, selected: each === least }, each ? `From ${usd(each)}` : "All sizes");
    put(this.#least, ...choices.map(option));
  }

  /** @param {import("../data/event-stream.js").EventStreamState} state */
  #setState(state) {
    if (state === this.state) return;
    this.state = state; // what is missed meanwhile comes with what the map fetches
    this.#drawSoon();
  }

  /** @param {import("../data/event-stream.js").ServerEvent[]} events */
  #take(events) {
    const { venues } = store.state;
    /** @type {Trade[]} */
    const fresh = [];
    for (const { name, data } of events) {
      if (name === "lost") this.#lost += data.count;
      if (name !== "liquidation" || (venues.length && !venues.includes(data.exchange))) continue;
      const { timestamp: timeMs, exchange, side, price: at, notional_usd: amount } = data;
      fresh.push({ timeMs, exchange, side, price: at, usd: amount });
    }
    this.#trades.push(...fresh);
    if (this.#trades.length > 2 * KEPT) this.#trades = this.#trades.slice(-KEPT);
    const shown = fresh.filter((trade) => trade.usd >= (store.state.tape ?? 0));
    this.#waiting += shown.length;
    for (const { side, usd: amount } of shown) {
      this.#minute.count += 1;
      this.#minute[side] += amount;
    }
    this.sound.play(shown);
    this.#drawSoon();
  }

  #drawSoon() {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      if (this.#isOpen) this.#drawNow();
    }, DRAW_MS);
  }

  #drawNow() {
    const isHeld = this.#isPointedAt && this.#rows.some((row) => !row.element.hidden);
    const least = store.state.tape ?? 0;
    const shown = this.#trades.filter((trade) => trade.usd >= least);
    const isOpen = this.state === "open";
    const texts = [
      store.state.at !== null && "Of now, not of the time looked back to",
      isHeld && `Held: ${this.#waiting} new`,
      (!isOpen || !shown.length) && this.#emptyText,
      this.#lost && `${this.#lost} left out: more came than could be sent`,
    ];
    this.#status.textContent = texts.filter(Boolean).join(". ");
    this.#status.hidden = !this.#status.textContent;
    if (isHeld) return;
    this.#waiting = 0;
    this.drawn += 1;
    const { utc } = store.state;
    if (utc !== this.#utc) [this.#clock, this.#utc] = [new Clock(utc), utc];
    const newest = shown.slice(-ROWS).reverse();
    while (this.#rows.length < newest.length) {
      const row = new TapeRow();
      this.#rows.push(row);
      this.#list.append(row.element);
    }
    let before = this.#clock.format(this.#market?.now?.timeMs ?? Date.now(), "day");
    let [quarter, day] = [NaN, before];
    for (const [i, row] of this.#rows.entries()) {
      const trade = newest[i];
      // No zone's day begins within a quarter of an hour: most rows have the day of the one above.
      if (trade && Math.floor(trade.timeMs / QUARTER_MS) !== quarter) {
        quarter = Math.floor(trade.timeMs / QUARTER_MS);
        day = this.#clock.format(trade.timeMs, "day");
      }
      row.show(trade, this.#clock, day === before ? "" : day);
      before = day;
    }
  }

  /** Why nothing is there, or nothing new. */
  get #emptyText() {
    if (this.state !== "open" || this.#fetched) return EMPTY[this.state];
    const hasFailed = this.#market?.liquidationsState === "failed";
    return hasFailed ? "Those before now did not load. Trying again." : "Loading those before now";
  }

  /** A minute of the tape in a sentence, for screen readers. */
  #summarise() {
    const { count, long, short } = this.#minute;
    this.#minute = { count: 0, long: 0, short: 0 };
    if (!this.#isOpen || !count) return;
    const many = counted(count, "liquidation");
    announce(`Last minute: ${many}, ${usd(long)} longs, ${usd(short)} shorts`);
  }
}

/** One row; the elements stay and their texts change. */
class TapeRow {
  #time = h("time");
  #exchange = h("span", { class: "at" });
  #side = h("span");
  #price = h("span");
  #usd = h("b");
  /** @type {Trade | undefined} */
  #trade;
  /** @type {Clock | undefined} */
  #clock;
  element = h("li", {}, this.#time, this.#exchange, this.#side, this.#price, this.#usd);

  /**
   * @param {Trade | undefined} trade undefined: none
   * @param {Clock} clock
   * @param {string} day written above it: it is the first of a day that is not today; empty: it is not
   */
  show(trade, clock, day) {
    this.element.hidden = !trade;
    if (day) this.element.dataset.day = day;
    else delete this.element.dataset.day;
    if (!trade || (trade === this.#trade && clock === this.#clock)) return;
    [this.#trade, this.#clock] = [trade, clock];
    const weight = String(WEIGHTS.filter((least) => trade.usd >= least).length);
    Object.assign(this.element.dataset, { side: trade.side, weight });
    this.#time.textContent = clock.format(trade.timeMs, "second");
    this.#exchange.textContent = this.#exchange.title = trade.exchange;
    this.#side.textContent = trade.side;
    this.#price.textContent = price(trade.price);
    this.#usd.textContent = usd(trade.usd);
  }
}

