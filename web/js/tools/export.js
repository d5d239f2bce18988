// @ts-check
/**
 * Takes the view along: a picture that says what it shows, the levels as CSV, a link to this very view.
 * @module
 */

import { colourOf, shares } from "../chart/colour-scale.js";
import { PALETTES } from "../chart/palettes.js";
import { rungOf } from "../data/ladder.js";
import { price as priceText, usd } from "../data/format.js";
import { announce, h } from "../panels/dom.js";
import { levelsCsv } from "./csv.js";

/** @typedef {import("../panels/map-slot.js").MapSlot} MapSlot */
/** @typedef {import("../state/store.js").ViewState} ViewState */

const HEAD_PX = 46;
const FOOT_PX = 22;

/**
 * The picture of a map with its labels: market, time, source, model and legend.
 * @param {MapSlot} slot @param {ViewState} state @param {string} interval @returns {HTMLCanvasElement}
 */
export function picture(slot, state, interval) {
  const { view, profileElement } = slot;
  const map = view.chart.takeScreenshot();
  const profile = /** @type {HTMLCanvasElement | null} */ (profileElement.hidden ? null : profileElement.querySelector("canvas"));
  const ratio = map.width / Math.max(1, view.element.clientWidth);
  const canvas = h("canvas", { width: map.width + (profile?.width ?? 0), height: map.height + Math.round((HEAD_PX + FOOT_PX) * ratio) });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = view.theme.background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(map, 0, Math.round(HEAD_PX * ratio));
  if (profile) context.drawImage(profile, map.width, Math.round(HEAD_PX * ratio));
  context.scale(ratio, ratio);
  drawLabels(context, view, state, interval, canvas.width / ratio, canvas.height / ratio);
  return canvas;
}

/** @param {CanvasRenderingContext2D} context @param {import("../chart/chart-view.js").ChartView} view @param {ViewState} state @param {string} interval @param {number} width @param {number} height */
function drawLabels(context, view, state, interval, width, height) {
  const { market, theme, clock, colours } = view;
  const now = market?.now;
  const write = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ y, /** @type {string} */ font, /** @type {string} */ colour) => {
    context.font = `${font} ${theme.font}`;
    context.fillStyle = colour;
    context.fillText(text, x, y);
    return x + context.measureText(text).width;
  };
  context.textBaseline = "middle";
  const after = write(market?.symbol ?? "", 12, HEAD_PX / 2, "700 16px", theme.text);
  const source = [now?.source === "live" ? "" : (now?.source ?? "").toUpperCase(), now?.stale ? "STALE" : ""].filter(Boolean).join(" ");
  const detail = [now && priceText(now.price), `${state.window} of ${interval}`, now && `${clock.format(now.timeMs, "full")} ${clock.zone}`].filter(Boolean).join("  ·  ");
  const end = write(detail, after + 12, HEAD_PX / 2, "400 12px", theme.muted);
  if (source) write(source, end + 12, HEAD_PX / 2, "700 11px", theme.accent);
  const bar = { x: width - 250, width: 160, y: HEAD_PX / 2 - 5 };
  const share = shares({ scale: state.scale, low: colours.low, high: colours.high });
  const look = { palette: PALETTES[state.palette], reversed: theme.light, grey: false };
  for (let x = 0; x < bar.width; x++) {
    const at = share[rungOf(colours.high * (x / bar.width) ** 2)];
    if (at < 0) continue;
    const word = colourOf(at, look);
    context.fillStyle = `rgba(${word & 255},${(word >>> 8) & 255},${(word >>> 16) & 255},${(word >>> 24) / 255})`;
    context.fillRect(bar.x + x, bar.y, 1, 10);
  }
  context.textAlign = "right";
  write(usd(colours.low), bar.x - 6, HEAD_PX / 2, "400 11px", theme.muted);
  context.textAlign = "left";
  write(usd(colours.high), bar.x + bar.width + 6, HEAD_PX / 2, "400 11px", theme.muted);
  const meaning = state.view === "clusters" ? "USD above the surroundings" : "USD standing";
  const of = market?.chosen.length ? market.chosen : (market?.venues ?? []);
  const venues = of.length ? ` of ${of.join(", ")}` : "";
  write(`Estimated liquidation levels${venues}: ${meaning}, kernel ${now?.kernel || "–"}. liqstream; charts by TradingView.`, 12, height - FOOT_PX / 2, "400 11px", theme.muted);
}

/** @param {Blob} blob @param {string} name */
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

/** @param {() => { slot: MapSlot, state: ViewState, interval: string }} current @param {() => void} close @returns {() => import("../panels/dom.js").Child[]} */
export function exportMenu(current, close) {
  const named = (/** @type {string} */ ending) => {
    const { slot, state } = current();
    const market = slot.view.market;
    const name = [state.symbol, ...(market?.chosen ?? []), state.window].join("-");
    return `liqstream-${name}-${stamp(market?.now?.timeMs ?? Date.now())}.${ending}`;
  };
  const item = (/** @type {string} */ name, /** @type {string} */ detail, /** @type {() => void} */ run) =>
    h("button", { type: "button", class: "item", onclick: () => (run(), close()) }, h("b", {}, name), h("span", {}, detail));
  return () => [
    item("Picture", "PNG of the map with its labels", () => {
      const { slot, state, interval } = current();
      picture(slot, state, interval).toBlob((blob) => blob && save(blob, named("png")), "image/png");
    }),
    item("Levels", "CSV of what stands now", () => {
      const market = current().slot.view.market;
      if (market) save(new Blob([levelsCsv(market)], { type: "text/csv" }), named("csv"));
    }),
    item("Link", "Copies the address of this view", () => void copyLink()),
  ];
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    announce("Link copied");
  } catch {
    prompt("The address of this view", location.href); // no clipboard without a secure context
  }
}
