/** The page of robustness assessments: a form and a list, or one of them by its address. */

import { bodyOf, offerAll } from "./attackform.js";
import { complainAt, FieldError, forget } from "./complaints.js";
import { keepJob } from "./job.js";
import { keepList } from "./joblist.js";
import { choicesOf, started } from "./jobs.js";
import { askForKeyIf, keyIsRight, onKey } from "./keyform.js";
import { devices, wrong } from "./service.js";

const at = (id) => document.getElementById(id);
const job = new URLSearchParams(location.search).get("job");

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Say what went wrong, once, or that all is well again. */
function tell(error) {
  const text = error ? sentence(wrong(error)) : "";
  if (error) askForKeyIf(error);
  if (at("problem").textContent !== text) at("problem").textContent = text;
}

/** Start an assessment as the form says, and go to it. */
async function start() {
  forget();
  tell(null);
  at("submit").disabled = true;
  try {
    const { id } = await started(await bodyOf());
    location.assign(`assessments?job=${encodeURIComponent(id)}`);
  } catch (error) {
    at("submit").disabled = false;
    const field = error.code === "body_too_large" ? "inputs" : error.field;
    const message = error instanceof FieldError ? error.message : wrong(error);
    if (!complainAt(field, message)) tell(error);
  }
}

/** Show what can be started, and what was. */
async function showAll() {
  try {
    const [choices, found] = await Promise.all([choicesOf(), devices()]);
    keyIsRight();
    tell(null);
    at("start").hidden = at("list").hidden = false;
    offerAll(choices, found);
    keepList(tell);
  } catch (error) {
    tell(error);
  }
}

function begin() {
  const show = job === null ? showAll : keepJob(job, (error) => {
    if (!error) keyIsRight();
    tell(error);
  });
  onKey(show);
  at("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  show();
}

begin();
