// @ts-check
/**
 * A page that is printed keeps the sizes it has on the screen, which the browser then makes fit the paper:
 * charts are drawn for those, and without them the newest bars and the axis of prices would be cut off.
 * @module
 */

/** What has a size of its own; what is within them takes theirs. */
const HELD = "body, main, .stage, .side, .maps, .map, .chart, .profile";

/** Holds sizes while the page is printed, from now on. */
export function keepSizesInPrint() {
  /** @type {HTMLElement[]} */
  let held = [];
  addEventListener("beforeprint", () => {
    held = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(HELD))];
    const sizes = held.map(({ offsetWidth, offsetHeight }) => [offsetWidth, offsetHeight]);
    held.forEach(({ style }, i) => {
      const [width, height] = sizes[i].map((size) => `${size}px`);
      Object.assign(style, { width, height, flex: "none" });
    });
  });
  addEventListener("afterprint", () => {
    for (const { style } of held) Object.assign(style, { width: "", height: "", flex: "" });
    held = [];
  });
}
