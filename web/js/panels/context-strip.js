// @ts-check
/**
 * The strip above the map: open interest with its change, funding with a countdown, the day's volume, and
 * which side the map's levels are on; each with its age, "-" where it is not known.
 * @module
 */

import { duration, percent, signedPercent, usd } from "../data/format.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/context-poll.js").ContextPoll} ContextPoll */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

const UNKNOWN = "-";
/** Its answer is on its way. */
const PENDING = "…";
/** A payment that is due is asked about after so long. */
const PAID_MS = 3000;

/** One figure of the strip; elements stay and their texts change. */
class Figure {
  #value = h("b", {}, UNKNOWN);
  #detail = h("span");
  /** Whose it is, which a strip without room leaves to the title. */
  #of = h("span", { class: "of" });
  #age = h("small");
  #name = h("span");

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.element = h("div", { class: "figure" }, this.#name, ...this.#parts);
  }

  /** @param {string} name */
  set name(name) {
    write(this.#name, name);
  }

  get #parts() {
    return [this.#value, this.#detail, this.#of, this.#age];
  }

  /**
   * @param {string} value
   * @param {string} [detail]
   * @param {number | null} [ageMs] null: not known
   * @param {string} [title]
   * @param {string} [of] whose it is
   */
  show(value, detail = "", ageMs = null, title = "", of = "") {
    write(this.#value, value);
    write(this.#detail, detail);
    write(this.#of, of);
    this.#of.hidden = !of;
    write(this.#age, ageMs === null ? "" : duration(ageMs));
    if (this.element.title !== title) this.element.title = title;
  }

  /** Puts a bar before the detail. @param {HTMLElement} bar */
  addBar(bar) {
    this.#detail.before(bar);
  }
}

export class ContextStrip {
  #poll;
  #held = new Figure("Open interest");
  #funding = new Figure("Funding");
  #volume = new Figure("24h volume");
  #sides = new Figure("Map");
  #bar = h("i", { class: "long" });
  #track = h("span", { class: "sides", "aria-hidden": "true" }, this.#bar);
  #pane;
  #store;
  #refreshedFor = 0;
  /** The time that is looked back to, as it was drawn last. @type {number | null} */
  #drawnAt = null;
  /** @type {Market | null} */
  #market = null;

  /**
   * @param {HTMLElement} element
   * @param {ContextPoll} poll
   * @param {ViewStore} store
   */
  constructor(element, poll, store) {
    this.#poll = poll;
    this.#store = store;
    this.#pane = h(
      "button",
      {
        type: "button",
        class: "pane-button",
        title: "Open interest and liquidations below the map (W)",
        onclick: () => store.set({ pane: store.state.pane === "oi" ? "none" : "oi" }),
      },
      "OI chart",
    );
    this.#sides.addBar(this.#track);
    const figures = [this.#held, this.#funding, this.#volume, this.#sides].map(({ element }) => element);
    put(element, ...figures, this.#pane);
    fadeEnds(element, figures);
    setInterval(() => document.hidden || this.draw(), 1000);
  }

  /** @param {Market} market whose levels the share is of */
  show(market) {
    this.#market = market;
    this.draw();
  }

  /** The map may look back by now, or no more. */
  follow() {
    if ((this.#market?.at ?? null) !== this.#drawnAt) this.draw();
  }

  draw() {
    this.#drawnAt = this.#market?.at ?? null;
    const isBack = this.#drawnAt !== null;
    this.#held.name = isBack ? "Now: OI" : "Open interest"; // and what follows, but the map's
    this.#sides.name = isBack ? "Map then" : "Map";
    this.#pane.setAttribute("aria-pressed", String(this.#store.state.pane === "oi"));
    this.#drawSides();
    const { context, nowMs, failed } = this.#poll;
    if (!context) {
      const text = failed ? UNKNOWN : PENDING;
      this.#held.show(text, failed ? "did not load, trying again" : "");
      for (const figure of [this.#funding, this.#volume]) figure.show(text);
      return;
    }
    const { now } = context;
    const age = (/** @type {number | null} */ timeMs) => (timeMs === null ? null : nowMs - timeMs);
    const change = (/** @type {number | null} */ value, /** @type {string} */ span) =>
      `${value === null ? UNKNOWN : signedPercent(value / 100, 1)} ${span}`;
    const held = now.open_interest_usd;
    this.#held.show(
      held === null ? UNKNOWN : usd(held),
      held === null ? "" : `${change(now.open_interest_1h, "1 h")}  ${change(now.open_interest_24h, "24 h")}`,
      age(now.open_interest_time),
      parts(context, (each) => each.open_interest_usd !== null && usd(each.open_interest_usd)),
    );
    this.#drawFunding(context, nowMs);
    this.#volume.show(
      now.volume_24h_usd === null ? UNKNOWN : usd(now.volume_24h_usd),
      "",
      age(now.volume_time),
      parts(context, (each) => each.volume_24h_usd !== null && usd(each.volume_24h_usd)),
    );
  }

  /**
   * @param {import("../data/rest-client.js").MarketContext} context
   * @param {number} nowMs
   */
  #drawFunding(context, nowMs) {
    const { funding_rate: rate, funding_time: of, next_funding_time: next } = context.now;
    if (rate === null) return this.#funding.show(UNKNOWN);
    const left = next === null ? null : next - nowMs;
    if (left !== null && left < -PAID_MS && this.#refreshedFor !== next) {
      this.#refreshedFor = next ?? 0;
      this.#poll.refresh();
    }
    const coming = left === null ? "paid last" : left > 0 ? `in ${countdown(left)}` : "due";
    const several = context.now.exchanges.length > 1;
    this.#funding.show(
      signedPercent(rate, 4),
      coming,
      of === null ? null : nowMs - of,
      parts(context, (each) => each.funding_rate !== null && signedPercent(each.funding_rate, 4)),
      several ? `on ${context.now.funding_exchange}` : "",
    );
  }

  #drawSides() {
    const grid = this.#market?.shown?.grid;
    const [long, short] = grid ? [sum(grid.long), sum(grid.short)] : [0, 0];
    this.#track.hidden = !(long + short > 0);
    if (this.#track.hidden) return this.#sides.show(UNKNOWN);
    const share = long / (long + short);
    const width = `${Math.round(100 * share)}%`;
    if (this.#bar.style.width !== width) this.#bar.style.width = width;
    const isBack = this.#drawnAt !== null;
    const age = isBack ? null : performance.now() - (this.#market?.now?.receivedAt ?? 0);
    this.#sides.show(
      `${percent(share)} longs`,
      `${percent(1 - share)} shorts`,
      age,
      `Levels of the map${isBack ? "" : " now"}: longs ${usd(long)}, shorts ${usd(short)}`,
    );
  }
}

/**
 * Where a line goes on beyond an end its words fade there, instead of being cut.
 * @param {HTMLElement} line that is swiped where it is too long
 * @param {HTMLElement[]} parts whose size decides that
 */
function fadeEnds(line, parts) {
  const mark = () => {
    const { scrollLeft, clientWidth, scrollWidth } = line;
    const ends = [scrollLeft > 1 && "start", scrollLeft + clientWidth < scrollWidth - 1 && "end"];
    line.dataset.more = ends.filter(Boolean).join(" ");
  };
  line.addEventListener("scroll", mark, { passive: true });
  const observer = new ResizeObserver(mark);
  for (const each of [line, ...parts]) observer.observe(each);
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A figure by exchange, for the title.
 * @param {import("../data/rest-client.js").MarketContext} context
 * @param {(each: import("../data/rest-client.js").ExchangeContext) => string | false} textOf
 */
function parts(context, textOf) {
  return context.now.exchanges.map((each) => `${each.exchange} ${textOf(each) || UNKNOWN}`).join(", ");
}

/** @param {ArrayLike<number>} values */
function sum(values) {
  let all = 0;
  for (let i = 0; i < values.length; i++) all += values[i];
  return all;
}

/** @param {number} ms @returns {string} e.g. "3:04:05" */
export function countdown(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
