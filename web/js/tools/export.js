// @ts-check
/**
 * Takes the view along: a picture that says what it shows, the levels as CSV, a link to this very view.
 * @module
 */

import { colourOf, cssColour, shares } from "../chart/colour-scale.js";
import { PALETTES } from "../chart/palettes.js";
import { quantise } from "../data/quantise.js";
import { price as priceText, usd } from "../data/format.js";
import { wayText, wayTo } from "../data/way-to-price.js";
import { formatTiers, tiersText } from "../state/leverage-tiers.js";
import { h, note } from "../panels/dom.js";
import { isMeasured, measuredPositions } from "../data/measured.js";
import { ESTIMATE, ESTIMATE_TEXT } from "../panels/estimate.js";
import { meaningOf } from "../panels/legend.js";
import { noteText } from "../panels/measured-note.js";
import { levelsCsv } from "./levels-csv.js";
import { laterBox } from "./time-travel.js";

/** @typedef {import("../panels/map-slot.js").MapSlot} MapSlot */
/** @typedef {import("../state/view-state.js").ViewState} ViewState */

const HEAD_PX = 46;
const LINE_PX = 16;
const MARGIN_PX = 12;
/** Of what came after the time looked back to, as on the page. */
const COVER = 0.9;
const FOOT_FONT = "400 11px";

/**
 * The picture of a map with its labels: market, time, source, model and legend.
 * @param {MapSlot} slot
 * @param {ViewState} state
 * @param {string} interval
 * @returns {HTMLCanvasElement}
 */
export function picture(slot, state, interval) {
  const { view, profileElement } = slot;
  const map = view.chart.takeScreenshot(true, false); // with what is on top, less the crosshair
  const profile = /** @type {HTMLCanvasElement | null} */ (
    profileElement.hidden ? null : profileElement.querySelector("canvas")
  );
  const ratio = map.width / Math.max(1, view.element.clientWidth);
  const width = map.width + (profile?.width ?? 0);
  const lines = footLines(view, state, width / ratio - 2 * MARGIN_PX);
  const footPx = lines.length * LINE_PX + 8;
  const canvas = h("canvas", { width, height: map.height + Math.round((HEAD_PX + footPx) * ratio) });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = view.theme.background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(map, 0, Math.round(HEAD_PX * ratio));
  if (profile) context.drawImage(profile, map.width, Math.round(HEAD_PX * ratio));
  context.scale(ratio, ratio);
  const later = laterBox(view);
  context.globalAlpha = COVER;
  context.fillRect(later.left, HEAD_PX, later.width, later.height);
  context.globalAlpha = 1;
  drawLabels(context, view, state, interval, canvas.width / ratio);
  context.font = `${FOOT_FONT} ${view.theme.font}`;
  context.fillStyle = view.theme.muted;
  const top = canvas.height / ratio - footPx + 4 + LINE_PX / 2;
  lines.forEach((line, i) => context.fillText(line, MARGIN_PX, top + i * LINE_PX));
  return canvas;
}

/**
 * What stands below the map: the way to a price asked about, that it is an estimate and of what or what part
 * was measured, the exchanges, the meaning, the model, and the address that shows this view.
 * @param {import("../chart/chart-view.js").ChartView} view
 * @param {ViewState} state
 * @param {number} width px there are
 * @returns {string[]}
 */
function footLines({ market, theme }, state, width) {
  const measured = market && isMeasured(market);
  const of = market?.chosen.length ? market.chosen : (market?.exchanges ?? []);
  const tiers = tiersText(market?.tiers ?? []);
  const model = market?.now?.kernel || market?.header?.kernel;
  const ofThese = of.length ? `, ${of.join(", ")}` : "";
  const facts = [
    `${meaningOf(market, state.view)}${ofThese}${tiers && `, leverage ${tiers} alone`}`,
    model && !measured && `Model: ${model}`,
    "liqstream; charts by TradingView",
  ];
  const context = /** @type {CanvasRenderingContext2D} */ (h("canvas").getContext("2d"));
  context.font = `${FOOT_FONT} ${theme.font}`;
  const fits = (/** @type {string} */ text) => context.measureText(text).width <= width;
  const way = state.if !== null && market?.symbol === state.symbol ? wayTo(market, state.if) : null;
  const ifPrice = way && `If the price goes ${wayText(way)}.`;
  const address = `${location.host}${location.pathname}${location.search}`;
  const origin = measured ? `${measuredWords(market)}.` : ESTIMATE_TEXT;
  return [ifPrice, origin, `${facts.filter(Boolean).join(". ")}.`, address].flatMap((text) =>
    text ? wrap(text, fits) : [],
  );
}

/**
 * @param {import("../data/market.js").Market} market of the measured layer
 * @returns {string} coverage and age as the page has them
 */
function measuredWords({ symbol }) {
  return noteText(measuredPositions.of(symbol, () => {}));
}

/**
 * @param {string} text
 * @param {(text: string) => boolean} fits
 * @returns {string[]} its lines, broken between words, and within one that is longer than a line
 */
function wrap(text, fits) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length && fits(longer)) lines[lines.length - 1] = longer;
    else {
      for (let rest = word; rest; ) {
        let length = rest.length;
        while (length > 1 && !fits(rest.slice(0, length))) length -= 1;
        lines.push(rest.slice(0, length));
        rest = rest.slice(length);
      }
    }
  }
  return lines;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../chart/chart-view.js").ChartView} view
 * @param {ViewState} state
 * @param {string} interval
 * @param {number} width
 */
function drawLabels(context, view, state, interval, width) {
  const { market, theme, clock, colours } = view;
  const shown = market?.shown;
  const write = (
    /** @type {string} */ text,
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {string} */ font,
    /** @type {string} */ colour,
  ) => {
    context.font = `${font} ${theme.font}`;
    context.fillStyle = colour;
    context.fillText(text, x, y);
    return x + context.measureText(text).width;
  };
  context.textBaseline = "middle";
  const after = write(market?.symbol ?? "", 12, HEAD_PX / 2, "700 16px", theme.text);
  const source = [
    market && market.at !== null ? "REPLAY" : "",
    shown?.source === "live" ? "" : (shown?.source ?? "").toUpperCase(),
    shown?.stale ? "STALE" : "",
  ]
    .filter(Boolean)
    .join(" ");
  const detail = [
    market && isMeasured(market) ? "Measured" : ESTIMATE,
    shown && priceText(shown.price),
    `${state.window} of ${interval}`,
    shown && `${clock.format(shown.timeMs, "full")} ${clock.zone}`,
  ]
    .filter(Boolean)
    .join("  ·  ");
  const end = write(detail, after + 12, HEAD_PX / 2, "400 12px", theme.muted);
  if (source) write(source, end + 12, HEAD_PX / 2, "700 11px", theme.accent);
  const bar = { x: width - 250, width: 160, y: HEAD_PX / 2 - 5 };
  const share = shares({ scale: state.scale, low: colours.low, high: colours.high, counts: colours.counts });
  const look = { palette: PALETTES[state.palette], reversed: theme.light, grey: false };
  for (let x = 0; x < bar.width; x++) {
    const at = share[quantise(colours.high * (x / bar.width) ** 2)];
    if (at < 0) continue;
    context.fillStyle = cssColour(colourOf(at, look));
    context.fillRect(bar.x + x, bar.y, 1, 10);
  }
  context.textAlign = "right";
  write(usd(colours.low), bar.x - 6, HEAD_PX / 2, "400 11px", theme.muted);
  context.textAlign = "left";
  write(usd(colours.high), bar.x + bar.width + 6, HEAD_PX / 2, "400 11px", theme.muted);
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const href = URL.createObjectURL(blob);
  const link = h("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** The time in a file's name. @param {number} ms */
function stamp(ms) {
  return new Date(ms).toISOString().slice(0, 16).replaceAll(":", "").replace("T", "-");
}

/**
 * @param {() => { slot: MapSlot, state: ViewState, interval: string }} current
 * @param {() => void} close
 * @returns {() => import("../panels/dom.js").Child[]}
 */
export function exportMenu(current, close) {
  const named = (/** @type {string} */ ending) => {
    const { slot, state } = current();
    const market = slot.view.market;
    const tiers = formatTiers(market?.tiers ?? []);
    const parts = [...(market?.chosen ?? []), ...(tiers ? [`${tiers}x`] : [])];
    const name = [state.symbol, ...parts, state.window].join("-");
    return `liqstream-${name}-${stamp(market?.shown?.timeMs ?? Date.now())}.${ending}`;
  };
  const item = (/** @type {string} */ name, /** @type {string} */ detail, /** @type {() => void} */ run) =>
    h(
      "button",
      { type: "button", class: "item", onclick: () => (run(), close()) },
      h("b", {}, name),
      h("span", {}, detail),
    );
  return () => [
    item("Picture", "PNG of the map with its labels", () => {
      const { slot, state, interval } = current();
      picture(slot, state, interval).toBlob((blob) => blob && save(blob, named("png")), "image/png");
    }),
    item("Levels", `CSV of the levels ${current().state.at === null ? "now" : "as of then"}`, () => {
      const market = current().slot.view.market;
      if (market) save(new Blob([levelsCsv(market)], { type: "text/csv" }), named("csv"));
    }),
    item("Link", "Copies the address of this view", () => void copyLink()),
  ];
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    note("Link copied");
  } catch {
    prompt("The address of this view", location.href); // no clipboard without a secure context
  }
}
