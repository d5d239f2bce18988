// @ts-check
/**
 * What is drawn however often something changes: once in a frame.
 * @module
 */

/**
 * However often it is called, `draw` runs once in the next animation frame.
 * @param {() => void} draw
 * @returns {() => void}
 */
export function oncePerFrame(draw) {
  let frame = 0;
  return () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
}
