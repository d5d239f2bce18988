// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { isCommand, shortcutKey } from "../../web/js/tools/keyboard.js";

test("a key goes by its letter, and by its place where a keyboard writes another script", () => {
  for (const [key, code, wanted] of [
    ["V", "KeyV", "v"], ["q", "KeyA", "q"], ["ArrowLeft", "ArrowLeft", "ArrowLeft"], ["ü", "BracketLeft", "ü"],
    ["м", "KeyV", "v"], ["Х", "BracketLeft", "["], ["ъ", "BracketRight", "]"], ["ㅍ", "KeyV", "v"], ["/", "KeyQ", "/"],
  ]) assert.equal(shortcutKey({ key, code }), wanted);
});

test("a bracket that takes Alt to be written is one, a letter with Alt or Ctrl is the browser's", () => {
  const none = { altKey: false, ctrlKey: false, metaKey: false };
  for (const altGr of [{ altKey: true }, { altKey: true, ctrlKey: true }]) {
    assert.equal(isCommand({ ...none, ...altGr, key: "[" }), false);
    assert.equal(isCommand({ ...none, ...altGr, key: "v" }), true);
    assert.equal(isCommand({ ...none, ...altGr, key: "ArrowLeft" }), true);
  }
  for (const key of ["+", "-", "v", "1"]) assert.equal(isCommand({ ...none, ctrlKey: true, key }), true);
  assert.equal(isCommand({ ...none, metaKey: true, altKey: true, key: "[" }), true);
  assert.equal(isCommand({ ...none, key: "?" }), false);
});
