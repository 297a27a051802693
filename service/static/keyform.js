/** The form for an API key, on every page that needs one. */

import { Refusal, useKey } from "./service.js";

const form = document.getElementById("key-form");

/** Call something again once the user has entered a key. */
export function onKey(again) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(document.getElementById("key").value.trim());
    again();
  });
}

/** Show the form if it is a key that is missing, and return whether it is. */
export function askForKeyIf(error) {
  const isMissing = error instanceof Refusal && error.code === "unauthorized";
  if (isMissing) form.hidden = false;
  return isMissing;
}

export function keyIsRight() {
  form.hidden = true;
}
