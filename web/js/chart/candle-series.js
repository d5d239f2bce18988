// @ts-check
/**
 * Candles that stay readable on any palette: light or orange bodies inside a dark casing, one line per
 * pixel when there are more candles than pixels.
 * @module
 */

import { customSeriesDefaultOptions } from "./chart-library.js";

/** @typedef {{ up: string, down: string, casing: string }} CandleColours */
/**
 * @typedef {import("./chart-library.js").CustomData & import("../data/history-matrix.js").Candle} CandleData
 */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./chart-library.js").RenderingScope} RenderingScope */
/** @typedef {import("./chart-library.js").RendererData<CandleData>} CandleRendererData */

const LEAST_CASED_PX = 2.2;

export class CandleSeriesView {
  /** @type {CandleColours} */
  colours = { up: "#fff", down: "#f80", casing: "#000" };
  visible = true;
  /** @type {CandleRendererData | null} */
  #data = null;

  renderer() {
    return {
      /**
       * @param {RenderingTarget} target
       * @param {(price: number) => number | null} toY
       */
      draw: (target, toY) => {
        if (this.visible && this.#data?.visibleRange) {
          target.useBitmapCoordinateSpace((scope) => this.#draw(scope, toY));
        }
      },
    };
  }

  /** @param {CandleRendererData} data */
  update(data) {
    this.#data = data;
  }

  /**
   * @param {CandleData} candle
   * @returns {number[]} the last one is the series' price
   */
  priceValueBuilder(candle) {
    return [candle.high, candle.low, candle.close];
  }

  /**
   * @param {CandleData | import("./chart-library.js").WhitespaceData} data
   * @returns {data is import("./chart-library.js").WhitespaceData}
   */
  isWhitespace(data) {
    return !("close" in data) || data.close === undefined;
  }

  defaultOptions() {
    return customSeriesDefaultOptions;
  }

  /**
   * @param {RenderingScope} scope
   * @param {(price: number) => number | null} toY
   */
  #draw({ context, horizontalPixelRatio: hr, verticalPixelRatio: vr }, toY) {
    const { bars, barSpacing, visibleRange } = /** @type {CandleRendererData} */ (this.#data);
    if (!visibleRange) return;
    const body = bodyWidth(barSpacing * hr);
    const line = Math.max(1, Math.floor(hr));
    // Closer than this the casings would cover the heat; then the candles are one dark ribbon anyway.
    const casing = barSpacing >= LEAST_CASED_PX ? line : 0;
    /** @type {[number, number, number, number, number, boolean][]} */
    const shapes = [];
    for (let i = visibleRange.from; i < visibleRange.to; i++) {
      const { x, originalData: candle } = bars[i];
      const [o, h, l, c] = [candle.open, candle.high, candle.low, candle.close].map((p) =>
        Math.round((toY(p) ?? 0) * vr),
      );
      const [top, bottom] = [Math.min(o, c), Math.max(o, c)];
      shapes.push([Math.round(x * hr), h, l, top, Math.max(1, bottom - top), candle.close >= candle.open]);
    }
    const half = Math.floor(body / 2);
    const wick = Math.floor(line / 2);
    if (casing) {
      context.fillStyle = this.colours.casing;
      for (const [x, high, low, top, height] of shapes) {
        context.fillRect(x - wick - casing, high - casing, line + 2 * casing, low - high + 2 * casing);
        context.fillRect(x - half - casing, top - casing, body + 2 * casing, height + 2 * casing);
      }
    }
    for (const rising of [true, false]) {
      context.fillStyle = rising ? this.colours.up : this.colours.down;
      for (const [x, high, low, top, height, up] of shapes) {
        if (up !== rising) continue;
        context.fillRect(x - wick, high, line, Math.max(1, low - high));
        if (body > line) context.fillRect(x - half, top, body, height);
      }
    }
  }
}

/**
 * An odd number of pixels, so that the wick is in the middle.
 * @param {number} spacing px
 * @returns {number}
 */
function bodyWidth(spacing) {
  const width = Math.floor(spacing * 0.68);
  return Math.max(1, width % 2 ? width : width - 1);
}
