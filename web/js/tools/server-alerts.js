// @ts-check
/**
 * The part of the alerts panel for rules that the server watches, also while this page is closed: a form, the
 * rules with test, edit and delete, and those of the alerts file.
 * @module
 */

import {
  deleteRule,
  fetchRaised,
  fetchRules,
  putRule,
  testRule,
} from "../data/alerts-client.js";
import { hasAlertsSecret } from "../data/alerts-secret.js";
import { RestError } from "../data/rest-client.js";
import { announce, h, put } from "../panels/dom.js";
import { putAnew } from "../panels/popover.js";
import { describe, draftOf, FIELDS, KINDS, newDraft, RANKED, ruleOf } from "./rule-form.js";

/** @typedef {import("../data/alerts-client.js").ServerRule} ServerRule */
/** @typedef {import("./rule-form.js").Draft} Draft */
/** @typedef {import("../panels/dom.js").Child} Child */

const LOOK_EVERY_MS = 5000;
const ABOUT = "Watched by the server, also while this page is closed. Only this browser sees these rules.";

export class ServerAlerts {
  #state = h("p", { class: "quiet", role: "status" });
  #form = h("form", { class: "server-rule", onsubmit: (/** @type {Event} */ event) => this.#submit(event) });
  #rules = h("ul", { class: "server-rules", "aria-label": "Rules on the server" });
  element = h(
    "section",
    { class: "server-alerts", "aria-label": "Alerts on the server" },
    h("h2", {}, "On the server"),
    h("p", { class: "quiet" }, ABOUT),
    this.#form,
    this.#state,
    this.#rules,
  );
  #onRaised;
  #list;
  /** @type {{ symbol: string, price: number }} */
  #here = { symbol: "", price: 0 };
  /** @type {Draft} */
  #draft = newDraft("", 0);
  /** The rule that is edited; "": a new one. */
  #id = "";
  #hasRules = hasAlertsSecret();
  /** UTC ms of the newest alert this page knows. */
  #newest = Date.now();

  /**
   * @param {import("./raised-list.js").RaisedList} list takes all that the server has raised
   * @param {(sentence: string) => void} onRaised called with each alert the server raises from now on
   */
  constructor(list, onRaised) {
    this.#list = list;
    this.#onRaised = onRaised;
    setInterval(() => this.#hasRules && void this.#look(), LOOK_EVERY_MS);
  }

  /** The panel opens. @param {{ symbol: string, price: number }} here */
  open(here) {
    this.#here = here;
    if (!this.#id) this.#draft = newDraft(here.symbol, here.price);
    this.#drawForm();
    void this.#load("Loading the rules …");
  }

  /** @param {string} saying what is shown meanwhile */
  async #load(saying) {
    this.#state.textContent = saying;
    try {
      const [found, raised] = await Promise.all([fetchRules(), fetchRaised()]);
      const { rules, file_rules: ofFile, limits } = found;
      this.#hasRules = rules.length > 0;
      const none = "No rules on the server yet.";
      this.#state.textContent = rules.length ? `${rules.length} of ${limits.rules} rules` : none;
      putAnew(this.#rules, ...rules.map((rule) => this.#row(rule)), ...ofFile.map(fileRow));
      this.#list.showServer(raised);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #look() {
    try {
      const raised = await fetchRaised();
      // The page's own alerts, which the server watches too for a device, come from the page itself.
      const others = raised.filter(({ rule }) => !rule.startsWith("page-"));
      const fresh = others.filter(({ time }) => time > this.#newest).reverse();
      this.#newest = Math.max(this.#newest, ...raised.map(({ time }) => time));
      for (const { sentence } of fresh) this.#onRaised(sentence);
      if (fresh.length) this.#list.showServer(raised);
    } catch {
      // the panel says so when it is opened; the next look may succeed
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    // A server that watches no rules (LIQSTREAM_ALERTS) has no such address.
    this.element.hidden = error instanceof RestError && error.status === 404;
    const reason = error instanceof Error ? error.message : String(error);
    const retry = () => this.#load("Trying again …");
    const again = h("button", { type: "button", class: "plain", onclick: retry }, "Try again");
    put(this.#state, `The rules on the server could not be reached: ${reason}. `, again);
  }

  /**
   * @param {() => Promise<unknown>} change
   * @param {string} done what is announced once it is made
   */
  async #change(change, done) {
    this.#state.textContent = "Saving …";
    try {
      await change();
    } catch (error) {
      this.#state.textContent = `Not saved: ${error instanceof Error ? error.message : error}`;
      return;
    }
    announce(done);
    await this.#load(done);
  }

  /** @param {ServerRule} rule */
  #row(rule) {
    const text = describe(rule);
    const button = (/** @type {string} */ name, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "plain", "aria-label": `${name}: ${text}`, onclick }, name);
    return h(
      "li",
      { data: { id: rule.id } },
      h("span", {}, text),
      button("Test", () => this.#change(() => testRule(rule.id), "Test sent")),
      button("Edit", () => this.#edit(rule)),
      button("Delete", () => this.#change(() => deleteRule(rule.id), "Rule deleted")),
    );
  }

  /** @param {ServerRule} rule */
  #edit(rule) {
    this.#id = rule.id;
    this.#draft = draftOf(rule);
    this.#drawForm();
    this.#form.querySelector("select")?.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const id = this.#id || crypto.getRandomValues(new Uint32Array(2)).join("-");
    const rule = ruleOf(id, this.#draft);
    const saved = this.#id ? "Rule saved" : "Rule added";
    void this.#change(async () => {
      await putRule(rule);
      this.#id = "";
      this.#drawForm();
    }, saved);
  }

  #drawForm() {
    const draft = this.#draft;
    const has = FIELDS[draft.kind];
    const ranked = RANKED[draft.kind];
    /** @param {Partial<Draft>} change */
    const redraw = (change) => {
      Object.assign(draft, change);
      this.#drawForm();
    };
    const { symbol } = this.#here;
    const own = draft.symbol === "*" ? symbol : draft.symbol;
    if (draft.kind === "price") draft.symbol = own;
    /** @type {[string, string][]} */
    const markets = [[own, own]];
    if (draft.kind !== "price") markets.push(["*", "All markets"]);
    /** @type {[string, string][]} */
    const units = [["usd", "M USD"]];
    if (ranked) units.push(["rank", ranked]);
    const unit = ranked && draft.ranked ? "rank" : "usd";
    putAnew(
      this.#form,
      choice("Kind of alert", Object.entries(KINDS), draft.kind, (kind) => {
        redraw({ kind: /** @type {Draft["kind"]} */ (kind) });
        this.#form.querySelector("select")?.focus();
      }),
      choice("Market", markets, draft.symbol, (value) => (draft.symbol = value)),
      has.includes("price") && figure("At", "any", draft.price, (value) => (draft.price = value)),
      has.includes("size") && figure("From", "0.1", draft.size, (value) => (draft.size = value)),
      has.includes("size") &&
        choice("Unit", units, unit, (value) => (draft.ranked = value === "rank")),
      has.includes("within") && figure("Within %", "0.1", draft.within, (value) => (draft.within = value)),
      has.includes("window") && figure("In minutes", "1", draft.window, (value) => (draft.window = value)),
      figure("At most every, minutes", "1", draft.cooldown, (value) => (draft.cooldown = value)),
      h("button", { type: "submit", class: "plain" }, this.#id ? "Save rule" : "Add rule"),
      this.#id &&
        h("button", { type: "button", class: "plain", onclick: () => this.#cancel() }, "Cancel"),
    );
  }

  #cancel() {
    this.#id = "";
    this.#draft = newDraft(this.#here.symbol, this.#here.price);
    this.#drawForm();
  }
}

/** @param {ServerRule} rule */
function fileRow(rule) {
  return h("li", { class: "quiet" }, `${describe(rule)} (${rule.id}, in the server's alerts file)`);
}

/**
 * @param {string} name
 * @param {[string, string][]} options
 * @param {string} value
 * @param {(value: string) => void} set
 */
function choice(name, options, value, set) {
  const select = h(
    "select",
    { "aria-label": name, onchange: () => set(select.value) },
    ...options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
  );
  return select;
}

/**
 * @param {string} name
 * @param {string} step also the least
 * @param {number} value
 * @param {(value: number) => void} set
 */
function figure(name, step, value, set) {
  const least = step === "any" ? "0" : step;
  const input = h("input", {
    type: "number",
    min: least,
    step: "any",
    required: true,
    value: value || "",
    oninput: () => set(Number(input.value)),
  });
  return h("label", {}, h("span", {}, name), input);
}
