/** The study of a network, if somebody has made one. */

import { code, hint, make, section } from "./elements.js";
import { get, hasKey, Refusal, wrong } from "./service.js";

const MOST_SENTENCES = 3;
const COMMAND = /noisevote-train study \S+/;
/** Where a report may have its findings, in words. */
const FIELDS = ["summary", "sentences", "findings", "conclusions", "verdict"];

/** Return the first sentences of a report. */
function sentencesOf(report) {
  const found = FIELDS.map((name) => report[name]).find((value) => value?.length) ?? [];
  const said = (Array.isArray(found) ? found : found.split(/(?<=\.)\s+/)).map(
    (one) => (typeof one === "string" ? one : (one?.text ?? one?.sentence)),
  );
  return said.filter(Boolean).slice(0, MOST_SENTENCES);
}

/** Return a link to the report; it sends no key, so with one the page is read here and kept. */
function linkTo(name) {
  const href = `checkpoints/${encodeURIComponent(name)}/report.html`;
  if (!hasKey()) return make("a", { href }, "The study");
  const button = make("button", { type: "button" }, "Save the study");
  button.addEventListener("click", async () => {
    const page = new Blob([await get(href)], { type: "text/html" });
    const link = make("a", { href: URL.createObjectURL(page), download: `${name}-study.html` });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return button;
}

function shown(name, report) {
  return [
    make("p", { class: "lead" }, sentencesOf(report).join(" ")),
    make("p", {}, linkTo(name)),
  ];
}

/** Return what to do where there is no study, or why it is not shown. */
function whyNone(name, error) {
  const isAbsent = error instanceof Refusal && error.status === 404;
  if (!isAbsent) return [hint(`It cannot be read: ${wrong(error)}.`)];
  const command = error.message.match(COMMAND)?.[0].replace(/[.,;:`"')]+$/, "");
  const making = code(command ?? `noisevote-train study ${name}`);
  return [hint("There is none yet. This command makes one: ", making)];
}

/** Return the section of the study, which fills itself. */
export function studySection(name) {
  const place = make("div", { "aria-busy": "true" }, "Looks for a study.");
  get(`checkpoints/${encodeURIComponent(name)}/report`)
    .then((report) => shown(name, report), (error) => whyNone(name, error))
    .then((parts) => {
      place.replaceChildren(...parts);
      place.removeAttribute("aria-busy");
    });
  return section("Study", place);
}
