// @ts-check
/**
 * The leverage tiers as buttons: what of each is shown, on everything at once.
 * @module
 */

import { leverageText, percent } from "../data/format.js";
import { TIER_COUNT, tiersText, toggledTier } from "../state/leverage-tiers.js";
import { h } from "./dom.js";

const TITLE = "Show or leave out these levels, in everything shown (K: all, ≤25x, ≥50x)";

export class LeverageTiers {
  #store;
  #texts = Array.from({ length: TIER_COUNT }, (_, tier) => ({
    name: h("span", {}, tiersText([tier])), // until the server's own name is here
    share: h("b"),
  }));
  #buttons;

  /**
   * @param {import("../state/view-state.js").ViewStore} store
   * @param {() => void} onNear the viewer is about to choose: what that takes can be fetched
   */
  constructor(store, onNear) {
    this.#store = store;
    this.#buttons = this.#texts.map(({ name, share }, tier) =>
      h(
        "button",
        {
          type: "button",
          title: TITLE,
          onclick: () => store.set({ lev: toggledTier(store.state.lev, tier) }),
          onpointerenter: onNear,
          onfocus: onNear,
        },
        h("i", { class: `group-${tier}` }),
        name,
        share,
      ),
    );
    this.element = h("div", { class: "groups", role: "group", "aria-label": "Leverage" }, ...this.#buttons);
    this.element.hidden = true;
    store.subscribe((_, changed) => changed.has("lev") && this.#press());
    this.#press();
  }

  /** @param {import("../data/market.js").Mix | null} mix of all tiers */
  draw(mix) {
    this.element.hidden = !mix;
    if (!mix) return;
    const sums = mix.groups.map((_, tier) => total(mix.long[tier]) + total(mix.short[tier]));
    const all = Math.max(1, total(sums));
    this.#texts.forEach(({ name, share }, tier) => {
      name.textContent = leverageText(mix.groups, tier);
      share.textContent = percent(sums[tier] / all);
    });
  }

  #press() {
    const { lev } = this.#store.state;
    this.#buttons.forEach((button, tier) =>
      button.setAttribute("aria-pressed", String(!lev.length || lev.includes(tier))),
    );
  }
}

/** @param {number[]} values */
function total(values) {
  return values.reduce((a, b) => a + b, 0);
}
