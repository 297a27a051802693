/** What is wrong with a field of the form of an assessment, said at the field. */

import { make } from "./elements.js";

const at = (id) => document.getElementById(id);
const form = at("settings");

/** Where what is wrong with a field of the request is shown, if that has another name. */
const SHOWN_AT = { samples: "inputs", snr_db: "sigma", chips: "chip" };

/** What may be wrong with a file of samples. */
const OF_SAMPLES = ["inputs", "labels", "samples", "dataset"];

/** What is wrong with a field that the page itself can see. */
export class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** Let what a field is described by begin with an element, or leave that out. */
function describe(field, id, isDescribed) {
  const others = (field.getAttribute("aria-describedby") ?? "").split(" ");
  const left = others.filter((other) => other && other !== id);
  const ids = isDescribed ? [id, ...left] : left;
  if (ids.length) field.setAttribute("aria-describedby", ids.join(" "));
  else field.removeAttribute("aria-describedby");
}

/** Forget what was wrong with a field, or with all of the form. */
export function forget(field = form) {
  const around = field.closest(".field") ?? form;
  for (const place of around.querySelectorAll(".wrong")) {
    const named = at(place.dataset.of);
    named.removeAttribute("aria-invalid");
    describe(named, place.id, false);
    place.remove();
  }
}

/** Return the field of the form that stands for one of the request, if it is to be seen. */
function fieldOf(path) {
  const [name] = (path ?? "").split(".");
  const isOfFile = OF_SAMPLES.includes(name) && !at("inputs").disabled;
  const field = isOfFile ? at("inputs") : at(SHOWN_AT[name] ?? name);
  return field && form.contains(field) && !field.closest("[hidden]") ? field : null;
}

/**
 * Say at a field what is wrong with it, and go there.
 * @param {string | undefined} path of the field in the request
 * @param {string} message
 * @returns {boolean} whether there is such a field
 */
export function complainAt(path, message) {
  const field = fieldOf(path);
  if (!field) return false;
  const id = `${field.id}-wrong`;
  field.closest(".field").append(make("p", { class: "wrong", id, "data-of": field.id }, message));
  if (field.matches("input, select")) field.setAttribute("aria-invalid", "true");
  describe(field, id, true);
  const folded = field.closest("details");
  if (folded) folded.open = true;
  field.focus();
  return true;
}
