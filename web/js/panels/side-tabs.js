// @ts-check
/**
 * The tabs of the side panel: levels, tape, accuracy, data. One is in sight; the arrows go from one to the
 * next.
 * @module
 */

import { find, h, put } from "./dom.js";

/** @typedef {import("../state/view-state.js").ViewState["tab"]} Tab */
/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

/** @type {[Tab, string, string][]} tab, its name, its title */
const TABS = [
  ["levels", "Levels", "Forecast, levels, sums"],
  ["tape", "Tape", "Tape of liquidations (X)"],
  ["accuracy", "Accuracy", "How good the map is"],
  ["data", "Data", "Where the figures come from"],
];

export class SideTabs {
  #body;
  #store;
  #buttons = TABS.map(([tab, name, title]) =>
    h(
      "button",
      { type: "button", role: "tab", id: `tab-${tab}`, title, "aria-controls": "side-body", data: { tab } },
      name,
    ),
  );
  /** The tape's least size while another tab is open, whose address has none. @type {number | null} */
  #least = null;
  #list = h("div", { class: "segments side-tabs", role: "tablist", "aria-label": "Side panel" });

  /**
   * @param {HTMLElement} body of the side panel; its parts say which tab they are of (`data-of`)
   * @param {ViewStore} store
   */
  constructor(body, store) {
    this.#body = body;
    this.#store = store;
    put(this.#list, ...this.#buttons);
    body.before(this.#list);
    body.setAttribute("role", "tabpanel");
    body.removeAttribute("aria-label");
    this.#list.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button) this.open(/** @type {Tab} */ (button.dataset.tab));
    });
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    store.subscribe((_, changed) => changed.has("tab") && this.#draw());
    this.#draw();
  }

  /** The one in sight. */
  get tab() {
    return this.#store.state.tab;
  }

  /** @param {Tab} tab */
  open(tab) {
    const { state } = this.#store;
    if (state.tab === "tape" || state.tape !== null) this.#least = state.tape;
    this.#store.set({ tab, panel: true, tape: tab === "tape" ? this.#least : null });
  }

  /** Opens the tape, or goes back to the levels. */
  toggleTape() {
    this.open(this.tab === "tape" && this.#store.state.panel ? "levels" : "tape");
  }

  /**
   * Says on a tab that is not in sight that there is something to read there.
   * @param {Tab} tab
   * @param {string} text empty: there is nothing
   */
  mark(tab, text) {
    const i = TABS.findIndex(([each]) => each === tab);
    const [, name, title] = TABS[i];
    const [button, written] = [this.#buttons[i], text ? `${name}: ${text}` : title];
    if (button.title === written) return;
    button.title = written;
    button.classList.toggle("marked", Boolean(text));
    if (text) button.setAttribute("aria-label", written);
    else button.removeAttribute("aria-label");
  }

  #draw() {
    const { tab } = this;
    for (const button of this.#buttons) {
      const isOpen = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(isOpen));
      button.tabIndex = isOpen ? 0 : -1;
    }
    this.#body.dataset.tab = tab;
    this.#body.setAttribute("aria-labelledby", `tab-${tab}`);
    this.#body.scrollTop = find("#side").scrollTop = 0;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const at = this.#buttons.findIndex((button) => button.dataset.tab === this.tab);
    const last = TABS.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = (to + TABS.length) % TABS.length;
    this.open(TABS[next][0]);
    this.#buttons[next].focus();
    event.preventDefault();
  }
}
