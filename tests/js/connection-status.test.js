// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionStatusOf } from "../../web/js/state/connection-status.js";

/** @type {import("../../web/js/state/connection-status.js").ConnectionFacts} */
const calm = { socket: "open", everOpen: true, unansweredMs: 0, confirmed: true, offline: false, woken: false, warned: false, late: false, paused: false, pollAgeMs: Infinity };

test("the indicator goes by what the server leaves unanswered, not by the socket", () => {
  assert.equal(connectionStatusOf(calm), "live");
  assert.equal(connectionStatusOf({ ...calm, unansweredMs: 1900 }), "live");
  assert.equal(connectionStatusOf({ ...calm, unansweredMs: 2100 }), "slow");
  assert.equal(connectionStatusOf({ ...calm, unansweredMs: 6400 }), "slow");
  assert.equal(connectionStatusOf({ ...calm, unansweredMs: 6600 }), "disconnected");
});

test("offline is amber at once, red after half a second without an answer", () => {
  assert.equal(connectionStatusOf({ ...calm, offline: true }), "slow");
  assert.equal(connectionStatusOf({ ...calm, offline: true, unansweredMs: 400 }), "slow");
  assert.equal(connectionStatusOf({ ...calm, offline: true, unansweredMs: 600 }), "disconnected");
});

test("an open socket is not live before its server stands behind what is shown", () => {
  assert.equal(connectionStatusOf({ ...calm, confirmed: false }), "connecting");
  assert.equal(connectionStatusOf({ ...calm, confirmed: false, unansweredMs: 2100 }), "slow");
  assert.equal(connectionStatusOf({ ...calm, confirmed: false, unansweredMs: 6600 }), "disconnected");
});

test("a page that woke is not live before it has heard something", () => {
  assert.equal(connectionStatusOf({ ...calm, woken: true }), "slow");
});

test("a page that let go of its socket is paused, whatever the socket was", () => {
  assert.equal(connectionStatusOf({ ...calm, paused: true, socket: "idle", unansweredMs: 9000 }), "paused");
});

test("a warning of the server, or a page that falls behind, is slow", () => {
  assert.equal(connectionStatusOf({ ...calm, warned: true }), "slow");
  assert.equal(connectionStatusOf({ ...calm, late: true }), "slow");
});

test("without a socket it polls if polling answers, else it is disconnected", () => {
  assert.equal(connectionStatusOf({ ...calm, socket: "waiting", pollAgeMs: 2000 }), "polling");
  assert.equal(connectionStatusOf({ ...calm, socket: "waiting", pollAgeMs: 20_000 }), "disconnected");
  assert.equal(connectionStatusOf({ ...calm, socket: "refused" }), "disconnected");
  assert.equal(connectionStatusOf({ ...calm, socket: "connecting", everOpen: false }), "connecting");
  assert.equal(connectionStatusOf({ ...calm, socket: "connecting" }), "disconnected");
});
