// @ts-check
/**
 * The drawings of one map: shows them, and draws, selects and drags them by pointer. Only the map in focus is
 * drawn on; a press on another one brings it into focus.
 * @module
 */

import { DrawingsPrimitive } from "../chart/drawings-primitive.js";

/** @typedef {import("../state/drawings.js").Drawing} Drawing */
/** @typedef {import("../chart/chart-view.js").Point} Point */

/** How far a mouse and a finger may miss a line by. */
const REACH_PX = { mouse: 6, touch: 18 };
/** A press that moves less is a click. */
const CLICK_PX = 5;
/** A box that was clicked and not dragged. */
const BOX_PX = 60;
const DRAFT = "draft";

export class MapDrawings {
  #slot;
  #desk;
  #isFocus;
  #leave;
  #primitive;
  /** Being drawn. @type {Drawing | null} */
  #draft = null;
  /**
   * Being dragged: as it was, by which part, from where.
   * @type {{ was: Drawing, part: string, start: Point } | null}
   */
  #drag = null;
  /** Under a finger that may be going to move the map. @type {{ id: string, x: number, y: number } | null} */
  #tapped = null;

  /**
   * @param {import("../panels/map-slot.js").MapSlot} slot
   * @param {import("./drawing-desk.js").DrawingDesk} desk
   * @param {() => boolean} isFocus
   */
  constructor(slot, desk, isFocus) {
    this.#slot = slot;
    this.#desk = desk;
    this.#isFocus = isFocus;
    this.#primitive = new DrawingsPrimitive(() => slot.view.theme);
    slot.view.candles.attachPrimitive(this.#primitive);
    this.#leave = desk.subscribe(() => this.draw());
    const { chartElement: chart } = slot;
    // The chart listens to mouse and touch events on its canvases: what is taken here must not reach it.
    chart.addEventListener("pointerdown", (event) => this.#begin(event), true);
    for (const kind of ["mousedown", "touchstart", "touchmove"]) {
      chart.addEventListener(kind, (event) => this.#keep(event), { capture: true, passive: false });
    }
    chart.addEventListener("pointermove", (event) => this.#move(event), true);
    for (const kind of /** @type {const} */ (["pointerup", "pointercancel"])) {
      chart.addEventListener(kind, (event) => this.#end(event), true);
    }
  }

  destroy() {
    this.#leave();
  }

  draw() {
    const { market } = this.#slot.view;
    const drawings = market ? this.#desk.drawings.of(market.symbol) : [];
    const selected = this.#isFocus() ? (this.#desk.selected?.id ?? "") : "";
    this.#primitive.show(
      market?.matrix ?? null,
      this.#draft ? [...drawings, this.#draft] : drawings,
      this.#draft ? DRAFT : selected,
    );
    this.#slot.chartElement.classList.toggle("drawing", Boolean(this.#desk.pen) && this.#isFocus());
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    this.#tapped = null;
    const { button, target, pointerType, shiftKey, pointerId } = event;
    const onControl = target instanceof Element && target.closest("button, summary, .draw-bar");
    if (button || onControl || !this.#isFocus()) return;
    const point = this.#point(event);
    const { pen, drawings, selected } = this.#desk;
    if (!point) return;
    const at = { timeMs: point.timeMs, price: point.price };
    if (pen) {
      this.#draft = { id: DRAFT, kind: pen, from: at, to: at, text: "" };
      this.#drag = { was: this.#draft, part: "to", start: point };
    } else {
      const isTouch = pointerType === "touch";
      const reach = REACH_PX[isTouch ? "touch" : "mouse"];
      const hit = shiftKey ? null : this.#primitive.hit(point.x, point.y, reach);
      if (isTouch && hit && hit.id !== selected?.id) {
        this.#tapped = { id: hit.id, x: point.x, y: point.y };
        return;
      }
      if (!hit) {
        if (selected) this.#desk.select("");
        return;
      }
      this.#desk.select(hit.id);
      const was = drawings.of(this.#slot.view.market?.symbol ?? "").find(({ id }) => id === hit.id);
      if (!was) return;
      this.#drag = { was, part: hit.part, start: point };
    }
    this.#slot.chartElement.setPointerCapture(pointerId);
    event.preventDefault();
    event.stopImmediatePropagation();
    this.draw();
  }

  /** @param {Event} event of the mouse or a finger */
  #keep(event) {
    if (!this.#drag) return;
    event.stopImmediatePropagation();
    if (event.type !== "mousedown") event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#drag) return this.#hover(event);
    event.stopImmediatePropagation();
    const point = this.#point(event, true);
    if (!point) return;
    const { was, part, start } = this.#drag;
    const { symbol = "" } = this.#slot.view.market ?? {};
    if (this.#draft) {
      const to = was.kind === "text" ? null : { timeMs: point.timeMs, price: point.price };
      this.#draft = to ? { ...this.#draft, to } : { ...this.#draft, from: point, to: point };
      return this.draw();
    }
    const by = { timeMs: point.timeMs - start.timeMs, price: point.price - start.price };
    const moved = (/** @type {"from" | "to"} */ end) =>
      part === "whole" || part === end
        ? { timeMs: was[end].timeMs + by.timeMs, price: was[end].price + by.price }
        : was[end];
    this.#desk.drawings.change(symbol, was.id, { from: moved("from"), to: moved("to") });
  }

  /** @param {PointerEvent} event */
  #end(event) {
    const [drag, draft, tapped] = [this.#drag, this.#draft, this.#tapped];
    this.#drag = this.#draft = this.#tapped = null;
    if (tapped && event.type === "pointerup") {
      const point = this.#point(event);
      const by = point ? Math.hypot(point.x - tapped.x, point.y - tapped.y) : Infinity;
      if (by < 2 * CLICK_PX) this.#desk.select(tapped.id);
    }
    if (!drag) return;
    event.stopImmediatePropagation();
    if (!draft) return this.#desk.drawings.save(this.#slot.view.market?.symbol ?? "");
    if (event.type === "pointercancel") return this.#desk.take(null);
    const { kind, from, text } = draft;
    const point = this.#point(event, true);
    const isClick = !point || Math.hypot(point.x - drag.start.x, point.y - drag.start.y) < CLICK_PX;
    const { x, y } = drag.start;
    const clicked = kind === "box" ? this.#slot.view.pointAt(x + BOX_PX, y + BOX_PX) : drag.start;
    const to = isClick ? (clicked ?? drag.start) : draft.to;
    this.#desk.add({ kind, from, to: { timeMs: to.timeMs, price: to.price }, text });
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    const isFree = event.pointerType === "mouse" && !event.buttons && !this.#desk.pen && this.#isFocus();
    const point = isFree ? this.#point(event) : null;
    const hit = point && this.#primitive.hit(point.x, point.y, REACH_PX.mouse);
    this.#slot.chartElement.classList.toggle("on-drawing", Boolean(hit));
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} [anywhere] also beyond the map's edges
   */
  #point({ clientX, clientY }, anywhere = false) {
    const { left, top } = this.#slot.chartElement.getBoundingClientRect();
    const { width, height } = this.#slot.view.pane;
    const [x, y] = [clientX - left, clientY - top];
    return anywhere || (x < width && y < height) ? this.#slot.view.pointAt(x, y) : null;
  }
}
