// @ts-check
/**
 * The steps in which the server says USD: a geometric ladder of 2 % from 500 USD up; rung 0 is nothing.
 * The page keeps rungs, 16 bits a cell, and turns them into colours and figures by table.
 * @module
 */

export const LADDER_FLOOR_USD = 500;
export const LADDER_RATIO = 1.02;
/** Rungs up to 1e12 USD, and room above. */
export const RUNGS = 1100;

/** USD of each rung. */
export const RUNG_USD = Float64Array.from({ length: RUNGS }, (_, rung) =>
  rung === 0 ? 0 : Math.round(LADDER_FLOOR_USD * LADDER_RATIO ** (rung - 1)),
);

// A logarithm per cell would cost 20 ns; the top bits of a float32 (exponent and 11 bits of mantissa, steps
// of 0.05 %) find the nearest rung in a table. It is filled a rung at a time: asking each of its half a million
// entries for its logarithm would take 30 ms of every start.
const BITS = new Float32Array(1);
const WORD = new Uint32Array(BITS.buffer);
const SHIFT = 12;
const TABLE = new Uint16Array(1 << (32 - SHIFT - 1)).fill(RUNGS - 1);
for (let rung = 0, from = 0; rung < RUNGS - 1; rung++) {
  const to = rung === 0 ? indexOf(LADDER_FLOOR_USD) : firstAbove(LADDER_FLOOR_USD * LADDER_RATIO ** (rung - 0.5));
  TABLE.fill(rung, from, to);
  from = to;
}

/** @param {number} usd @returns {number} the entry of the table that holds it */
function indexOf(usd) {
  BITS[0] = usd;
  return WORD[0] >>> SHIFT;
}

/** @param {number} usd @returns {number} the first entry whose middle is not below it */
function firstAbove(usd) {
  BITS[0] = usd;
  return (WORD[0] + (1 << (SHIFT - 1)) - 1) >>> SHIFT;
}

/** @param {number} usd not negative @returns {number} the nearest rung, 0 below the floor */
export function rungOf(usd) {
  if (usd < LADDER_FLOOR_USD) return 0;
  return TABLE[indexOf(usd)];
}
