import assert from "node:assert/strict";
import test from "node:test";
import { greet } from "../greet.js";

test("nobody in particular", () => assert.equal(greet([]), "Hello, whoever is there."));
test("one", () => assert.equal(greet(["Ada"]), "Hello, Ada."));
test("three", () => assert.equal(greet(["Ada", "Grace", "Barbara"]), "Hello, Ada, Grace and Barbara."));
