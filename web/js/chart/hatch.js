// @ts-check
/**
 * How it is drawn that nothing is known: no data recorded then, or beyond the prices the model reaches.
 * @module
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} colour
 * @param {number} size of the pattern, device px
 * @returns {CanvasPattern}
 */
export function hatchPattern(context, colour, size) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  brush.strokeStyle = colour;
  brush.lineWidth = Math.max(1, size / 7);
  for (const shift of [-size, 0, size]) {
    brush.moveTo(shift - 1, size + 1);
    brush.lineTo(shift + size + 1, -1);
  }
  brush.stroke();
  return /** @type {CanvasPattern} */ (context.createPattern(canvas, "repeat"));
}
