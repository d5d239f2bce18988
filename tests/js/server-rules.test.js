// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { noRules } from "../../web/js/tools/alert-rules.js";
import { keepServerRules, serverRules } from "../../web/js/data/server-rules.js";

const RULES = {
  ...noRules(),
  near: { on: true, percent: 0.5, usd: 5e6 },
  cascade: { on: true, minutes: 5, usd: 1e6 },
  levels: [{ symbol: "BTCUSDT", price: 106_600.5 }],
};

/**
 * The server's part: its rules, and what was asked.
 * @param {string[]} ids
 * @param {Record<string, number>} [statuses] by id
 */
function server(ids, statuses = {}) {
  /** @type {string[]} */
  const asked = [];
  /** @type {Record<string, any>} */
  const put = {};
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {string} */ address, /** @type {any} */ { method, headers, body }) => {
      const id = address.split("/")[2] ?? "";
      assert.match(headers.get("x-liqstream-alerts-secret"), /^[0-9a-f]{32}$/);
      asked.push(`${method} ${address}`);
      if (method === "PUT") put[id] = JSON.parse(body);
      return new Response(JSON.stringify({ rules: ids.map((each) => ({ id: each })) }), { status: statuses[id] ?? 200 });
    }
  );
  return { asked, put };
}

test("what is set on the page is what the server watches", () => {
  assert.deepEqual(Object.fromEntries(serverRules(RULES)), {
    "page-near": { kind: "cluster", symbol: "*", min_usd: 5e6, within_percent: 0.5, cooldown_s: 600 },
    "page-cascade": { kind: "cascade", symbol: "*", min_usd: 1e6, window_s: 300, cooldown_s: 600 },
    "page-level-0": { kind: "price", symbol: "BTCUSDT", price: 106_600.5, cooldown_s: 600 },
  });
  assert.equal(serverRules(noRules()).size, 0);
});

test("rules that were taken off the page end, those of others stay", async () => {
  const { asked, put } = server(["page-level-1", "page-near", "mine"]);
  await keepServerRules(RULES);
  assert.deepEqual(asked.slice(0, 2), ["GET api/alerts", "DELETE api/alerts/page-level-1"]);
  assert.deepEqual(Object.keys(put).sort(), ["page-cascade", "page-level-0", "page-near"]);
  const off = server(["page-near", "mine"]);
  await keepServerRules(null);
  assert.deepEqual(off.asked, ["GET api/alerts", "DELETE api/alerts/page-near"]);
});

test("a level of a market that is gone keeps no other rule from being watched; a server that fails is an error", async () => {
  const { put } = server([], { "page-near": 404 });
  await keepServerRules(RULES);
  assert.equal(Object.keys(put).length, 3);
  server([], { "page-near": 503 });
  await assert.rejects(keepServerRules(RULES));
});
