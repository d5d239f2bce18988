// @ts-check
/**
 * How fast the market's time passes: a replay may play hours in a minute.
 * @module
 */

const SPAN_MS = 10_000;
const LEAST_SPAN_MS = 1500;

export class MarketClock {
  /** @type {{ receivedAt: number, timeMs: number, epoch: number }[]} of the last seconds */
  #samples = [];

  /**
   * @param {{ receivedAt: number, timeMs: number, epoch: number }} now the newest state
   * @returns {number} market seconds a second, in two figures; 0: not known yet
   */
  speed({ receivedAt, timeMs, epoch }) {
    const last = this.#samples.at(-1);
    if (last && (last.epoch !== epoch || timeMs < last.timeMs)) this.#samples = [];
    if (last?.receivedAt !== receivedAt) this.#samples.push({ receivedAt, timeMs, epoch });
    const samples = this.#samples;
    while (samples.length > 2 && receivedAt - samples[0].receivedAt > SPAN_MS) samples.shift();
    const [first] = this.#samples;
    const passedMs = receivedAt - first.receivedAt;
    if (passedMs < LEAST_SPAN_MS) return 0;
    return Number(((timeMs - first.timeMs) / passedMs).toPrecision(2));
  }
}
