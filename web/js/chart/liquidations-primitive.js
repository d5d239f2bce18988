// @ts-check
/**
 * What was really liquidated: dots at time and price sized by USD, and per column a bar at the foot of the
 * map, short ones on top of long ones.
 * @module
 */

/** @typedef {import("./chart-library.js").SeriesAttachedParameter} Attached */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./chart-library.js").RenderingScope} RenderingScope */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("./theme.js").Theme} Theme */
/**
 * @typedef {object} Dot
 * @property {number} column
 * @property {number} price
 * @property {number} usd
 * @property {"long" | "short"} side
 * @property {number} timeMs
 * @property {number} count
 */

const MOST_RADIUS_PX = 8.5;
const LEAST_RADIUS_PX = 1.4;
/** Dots of this quantile are drawn full size; a few giants must not make the rest invisible. */
const FULL_AT_QUANTILE = 0.99;
/**
 * Liquidations of one column within this share of the window's price range are one dot: a cascade is a ball,
 * not a chain.
 */
const MERGE = 0.025;
/** The strip of totals takes this share of the height. */
const STRIP = 0.09;

export class LiquidationsPrimitive {
  visible = true;
  /** Largest radius against that of a map on its own. */
  scale = 1;
  /** @type {Market | null} */
  #market = null;
  /** @type {Attached["chart"] | null} */
  #chart = null;
  /** @type {Attached["series"] | null} */
  #series = null;
  #requestUpdate = () => {};
  /** @type {Dot[]} merged per column, side and stretch of price, smallest last */
  #dots = [];
  /** @type {Map<number, [number, number]>} long and short USD per column */
  #columns = new Map();
  #largest = 0;
  /** USD of a full dot. */
  #full = 1;
  #colours = { long: "#f66", short: "#6cf", casing: "#0008" };
  /**
   * Of dots by side and size: a hundred circles a frame would hold a slow phone up.
   * @type {Map<string, ImageBitmap>}
   */
  #pictures = new Map();

  /** @param {Attached} given */
  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#requestUpdate = requestUpdate;
  }

  paneViews() {
    return [
      {
        zOrder: () => /** @type {const} */ ("top"),
        renderer: () => ({ draw: (/** @type {RenderingTarget} */ target) => this.#draw(target) }),
      },
    ];
  }

  autoscaleInfo() {
    return null;
  }

  /** @param {Theme} theme */
  setTheme(theme) {
    this.#colours = { long: theme.long, short: theme.short, casing: theme.light ? "#ffffffd0" : "#05070bc0" };
    this.#pictures.clear();
    this.#requestUpdate();
  }

  /** @param {Market | null} market */
  setMarket(market) {
    this.#market = market;
    this.#merge();
    this.#requestUpdate();
  }

  /**
   * @param {number} column
   * @returns {[number, number]} long and short USD liquidated in it
   */
  inColumn(column) {
    return this.#columns.get(column) ?? [0, 0];
  }

  #merge() {
    const matrix = this.#market?.matrix;
    /** @type {Map<string, Dot>} */
    const merged = new Map();
    this.#columns = new Map();
    this.#largest = 0;
    this.#dots = [];
    if (!matrix || !this.#market) return;
    const stretch = MERGE * rangeOf(matrix);
    const withTotals = this.#takeTotals(matrix);
    for (const { timeMs, side, price, usd } of this.#market.liquidations) {
      const column = matrix.columnAt(timeMs);
      if (!matrix.holds(column)) continue;
      const key = `${column}|${side}|${Math.round(price / stretch)}`;
      const dot = merged.get(key);
      if (dot) {
        dot.price = (dot.price * dot.usd + price * usd) / (dot.usd + usd);
        dot.usd += usd;
        dot.count += 1;
      } else merged.set(key, { column, price, usd, side, timeMs, count: 1 });
      if (!withTotals.has(column)) this.#add(column, side === "long" ? usd : 0, side === "short" ? usd : 0);
    }
    this.#dots = [...merged.values()].sort((a, b) => b.usd - a.usd);
    this.#full = this.#dots[Math.floor(this.#dots.length * (1 - FULL_AT_QUANTILE))]?.usd ?? 1;
    for (const [long, short] of this.#columns.values()) this.#largest = Math.max(this.#largest, long + short);
  }

  /**
   * Totals per interval have no price, so they are no dots; but they are more complete than the single
   * events.
   * @param {import("../data/history-matrix.js").HistoryMatrix} matrix
   */
  #takeTotals(matrix) {
    for (const { timeMs, longUsd, shortUsd } of this.#market?.totals ?? []) {
      const column = matrix.columnAt(timeMs);
      if (matrix.holds(column)) this.#add(column, longUsd, shortUsd);
    }
    return new Set(this.#columns.keys());
  }

  /**
   * @param {number} column
   * @param {number} long
   * @param {number} short
   */
  #add(column, long, short) {
    const sum = this.#columns.get(column) ?? [0, 0];
    this.#columns.set(column, [sum[0] + long, sum[1] + short]);
  }

  /** @param {RenderingTarget} target */
  #draw(target) {
    if (this.visible && this.#columns.size) target.useBitmapCoordinateSpace((scope) => this.#drawIn(scope));
  }

  /** @param {RenderingScope} scope */
  #drawIn({ context, bitmapSize, horizontalPixelRatio: hr, verticalPixelRatio: vr }) {
    const first = this.#market?.matrix?.first ?? 0;
    if (!this.#chart || !this.#series) return;
    const origin = this.#chart
      .timeScale()
      .logicalToCoordinate(/** @type {import("./chart-library.js").Logical} */ (0));
    if (origin === null) return;
    const spacing = this.#chart.timeScale().options().barSpacing;
    const xOf = (/** @type {number} */ column) => (origin + (column - first) * spacing) * hr;
    this.#drawStrip(context, xOf, bitmapSize, spacing * hr, vr);
    for (const dot of this.#dots) {
      const radius = radiusOf(dot.usd, this.#full) * this.scale * hr;
      if (radius < LEAST_RADIUS_PX * hr) continue;
      const x = xOf(dot.column);
      const y = (this.#series.priceToCoordinate(dot.price) ?? -99) * vr;
      if (x < -20 || x > bitmapSize.width + 20 || y < -20 || y > bitmapSize.height + 20) continue;
      const picture = this.#pictureOf(dot.side, radius, Math.max(1, hr * 0.8));
      context.drawImage(picture, Math.round(x - picture.width / 2), Math.round(y - picture.height / 2));
    }
  }

  /**
   * @param {Dot["side"]} side
   * @param {number} radius device px; taken to a quarter of one
   * @param {number} lineWidth of the casing, device px
   * @returns {ImageBitmap}
   */
  #pictureOf(side, radius, lineWidth) {
    const size = Math.round(4 * radius) / 4;
    const key = `${side}|${size}|${lineWidth}`;
    const kept = this.#pictures.get(key);
    if (kept) return kept;
    const middle = Math.ceil(size + lineWidth / 2) + 0.5; // the place of a dot is the middle of a pixel
    const canvas = new OffscreenCanvas(2 * middle, 2 * middle);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.lineWidth = lineWidth;
    context.strokeStyle = this.#colours.casing;
    context.beginPath();
    context.arc(middle, middle, size, 0, 2 * Math.PI);
    context.globalAlpha = 0.72;
    context.fillStyle = this.#colours[side];
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
    const picture = canvas.transferToImageBitmap();
    this.#pictures.set(key, picture);
    return picture;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(column: number) => number} xOf
   * @param {{ width: number, height: number }} size
   * @param {number} spacing
   * @param {number} vr
   */
  #drawStrip(context, xOf, { width, height }, spacing, vr) {
    const full = height * STRIP;
    const bar = Math.max(1, Math.floor(spacing * 0.68));
    context.globalAlpha = 0.85;
    for (const [column, [long, short]] of this.#columns) {
      const x = Math.round(xOf(column) - bar / 2);
      if (x < -bar || x > width) continue;
      const scale = full / this.#largest;
      const [longHeight, shortHeight] = [long, short].map((usd) => (usd > 0 ? Math.max(vr, usd * scale) : 0));
      if (longHeight) {
        context.fillStyle = this.#colours.long;
        context.fillRect(x, height - longHeight, bar, longHeight);
      }
      if (!shortHeight) continue;
      context.fillStyle = this.#colours.short;
      context.fillRect(x, height - longHeight - shortHeight, bar, shortHeight);
    }
    context.globalAlpha = 1;
  }
}

/**
 * Highest less lowest price of the window.
 * @param {import("../data/history-matrix.js").HistoryMatrix} matrix
 */
function rangeOf(matrix) {
  let [low, high] = [Infinity, -Infinity];
  for (let c = matrix.first; c < matrix.end; c++) {
    const candle = matrix.candle(c);
    if (candle) [low, high] = [Math.min(low, candle.low), Math.max(high, candle.high)];
  }
  return high > low ? high - low : matrix.step;
}

/**
 * @param {number} usd
 * @param {number} full
 * @returns {number} media px; the area is in proportion to USD
 */
function radiusOf(usd, full) {
  return MOST_RADIUS_PX * Math.sqrt(Math.min(1, usd / full));
}
