// @ts-check
/**
 * The chart's time scale, with tick marks where the viewer's clock has them: at local midnights and full
 * hours, also where the clock is changed within the window. The chart itself counts in UTC: local times
 * repeat an hour in autumn, and it wants ascending ones.
 * @module
 */

import { defaultHorzScaleBehavior } from "./chart-library.js";

/** @typedef {import("../data/format.js").Clock} Clock */

const MINUTE_MS = 60_000;
/** The library's weights of tick marks (its TickMarkWeight), from the widest step to the finest. */
const INTRADAY = [
  { stepMs: 720 * MINUTE_MS, weight: 33 },
  { stepMs: 360 * MINUTE_MS, weight: 32 },
  { stepMs: 180 * MINUTE_MS, weight: 31 },
  { stepMs: 60 * MINUTE_MS, weight: 30 },
  { stepMs: 30 * MINUTE_MS, weight: 22 },
  { stepMs: 5 * MINUTE_MS, weight: 21 },
  { stepMs: MINUTE_MS, weight: 20 },
  { stepMs: 1000, weight: 10 },
];
const [DAY, MONTH, YEAR] = [50, 60, 70];

/**
 * How much a time stands out on the axis, by what changed since the one before it.
 * @param {number} localMs the viewer's clock as if it were UTC
 * @param {number} beforeMs the same of the time before
 * @returns {number} a weight of the library's; 0 where the clock went back
 */
export function tickWeight(localMs, beforeMs) {
  if (localMs <= beforeMs) return 0;
  const [now, before] = [new Date(localMs), new Date(beforeMs)];
  if (now.getUTCFullYear() !== before.getUTCFullYear()) return YEAR;
  if (now.getUTCMonth() !== before.getUTCMonth()) return MONTH;
  if (now.getUTCDate() !== before.getUTCDate()) return DAY;
  const passed = INTRADAY.find(
    ({ stepMs }) => Math.floor(localMs / stepMs) !== Math.floor(beforeMs / stepMs),
  );
  return passed?.weight ?? 0;
}

export class LocalTimeScale extends defaultHorzScaleBehavior() {
  #clock;
  #isAtEdge;

  /**
   * @param {() => Clock} clock the viewer's
   * @param {(seconds: number) => boolean} isAtEdge whether a time's label would be cut by the axis's end
   */
  constructor(clock, isAtEdge) {
    super();
    this.#clock = clock;
    this.#isAtEdge = isAtEdge;
  }

  /**
   * The chart keeps the text of each time by this key: at an edge it is another one, none.
   * @override
   * @param {import("./chart-library.js").HorzScaleItem} time
   */
  cacheKey(time) {
    const key = super.cacheKey(time); // UTC ms
    return this.#isAtEdge(Number(key) / 1000) ? /** @type {typeof key} */ (-1 - Number(key)) : key;
  }

  /**
   * @override
   * @param {readonly { timeWeight: number, originalTime: unknown }[]} points ascending
   * @param {number} startIndex the first one without a weight
   */
  fillWeightsForPoints(points, startIndex) {
    const localMs = (/** @type {number} */ index) => {
      const ms = Number(points[index].originalTime) * 1000;
      return ms + this.#clock().offsetMs(ms);
    };
    if (!points.length) return;
    // Before the first one there is nothing: it is as far from that as from the next.
    const second = Math.min(1, points.length - 1);
    let before = startIndex ? localMs(startIndex - 1) : 2 * localMs(0) - localMs(second);
    for (let index = startIndex; index < points.length; index++) {
      const local = localMs(index);
      points[index].timeWeight = tickWeight(local, before);
      before = Math.max(before, local);
    }
  }
}
