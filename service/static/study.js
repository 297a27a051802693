/** The studies of a network, if somebody has made some. */

import { code, hint, make, section, terms } from "./elements.js";
import { get, hasKey, wrong } from "./service.js";

/** Return the path of the report of one of a network's studies, as JSON or as a page. */
export function pathOf(name, { device, temperature_c, noise }, file) {
  const which = Object.entries({ device, temperature_c, noise }).filter(([, of]) => of !== null);
  const query = which.length ? `?${new URLSearchParams(which)}` : "";
  return `checkpoints/${encodeURIComponent(name)}/${file}${query}`;
}

/** Return a link to the report; it sends no key, so with one the page is read here and kept. */
function linkTo(name, study) {
  const href = pathOf(name, study, "report.html");
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

/** Return what to do where there is no study. */
function whyNone(name) {
  const command = `noisevote-train study ${name} --samples FILE`;
  return [hint("There is none yet. This command makes one: ", code(command))];
}

/** Return a report in short, or why it is not shown. */
async function reportOn(name, study) {
  try {
    const { title, answers } = await get(pathOf(name, study, "report"));
    return [
      make("h4", {}, title),
      terms(Object.entries(answers)),
      make("p", {}, linkTo(name, study)),
    ];
  } catch (error) {
    return [hint(`A study cannot be read: ${wrong(error)}.`)];
  }
}

/** Return the section of the studies, which fills itself. */
export function studySection({ name, studies }) {
  if (!studies.length) return section("Study", ...whyNone(name));
  const place = make("div", { "aria-busy": "true" }, "Reads the study.");
  Promise.all(studies.map((study) => reportOn(name, study))).then((parts) => {
    place.replaceChildren(...parts.flat());
    place.removeAttribute("aria-busy");
  });
  return section("Study", place);
}
