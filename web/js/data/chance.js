// @ts-check
/**
 * The chance that a price is reached within a forecast's window, read from the table that comes with it.
 * @module
 */

/** @typedef {import("./rest-client.js").Forecast} Forecast */
/** @typedef {import("./rest-client.js").HorizonForecast} HorizonForecast */

/** By their key in the answer: their name, and how a table has it. @type {[string, string, string][]} */
const HORIZONS = [
  ["30m", "half-hour", "30 min"],
  ["1h", "hour", "1 h"],
  ["4h", "four hours", "4 h"],
];
export const LEAD = "1h";

/** @typedef {{ key: string, name: string, short: string, horizon: HorizonForecast }} OpenHorizon */

/**
 * @param {Forecast | null} forecast
 * @param {number} nowMs of the market's data
 * @returns {OpenHorizon[]} those whose window is not over, shortest first
 */
export function openHorizons(forecast, nowMs) {
  return HORIZONS.flatMap(([key, name, short]) => {
    const horizon = forecast?.horizons[key];
    return horizon && horizon.until_ms > nowMs ? [{ key, name, short, horizon }] : [];
  });
}

/** @param {OpenHorizon[]} open @returns {OpenHorizon | undefined} the next hour, or the shortest there is */
export function leading(open) {
  return open.find(({ key }) => key === LEAD) ?? open[0];
}

/**
 * The chance within the window's length from now: the range is the one expected at the last closed bar, the
 * distance is that from the price now, which may have left the bar's close behind.
 * @param {HorizonForecast} horizon
 * @param {number} price
 * @param {number} from the price now
 * @returns {number | null} 0 to 1, straight between the listed distances; null: a forecast without the table
 */
export function chanceToReach({ reach }, price, from) {
  if (!reach || !(price > 0) || !(from > 0)) return null;
  const { log_distance: distances, chance } = reach;
  const distance = Math.abs(Math.log(price / from));
  const next = distances.findIndex((listed) => listed >= distance);
  if (next < 0) return 0;
  if (next === 0) return chance[0];
  const part = (distance - distances[next - 1]) / (distances[next] - distances[next - 1]);
  return chance[next - 1] + part * (chance[next] - chance[next - 1]);
}
