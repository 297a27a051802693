/** The studies of a network, if somebody has made some. */

import { code, hint, make, section, terms } from "./elements.js";
import { get, hasKey, wrong } from "./service.js";

/** Return the path of a report, as JSON or as a page. */
export function pathOf(name, device, file) {
  const on = device === null ? "" : `?device=${encodeURIComponent(device)}`;
  return `checkpoints/${encodeURIComponent(name)}/${file}${on}`;
}

/** Return a link to the report; it sends no key, so with one the page is read here and kept. */
function linkTo(name, device) {
  const href = pathOf(name, device, "report.html");
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
async function reportOn(name, device) {
  try {
    const { title, answers } = await get(pathOf(name, device, "report"));
    return [
      make("h4", {}, title),
      terms(Object.entries(answers)),
      make("p", {}, linkTo(name, device)),
    ];
  } catch (error) {
    return [hint(`A study cannot be read: ${wrong(error)}.`)];
  }
}

/** Return the section of the studies, which fills itself. */
export function studySection({ name, studies }) {
  if (!studies.length) return section("Study", ...whyNone(name));
  const place = make("div", { "aria-busy": "true" }, "Reads the study.");
  Promise.all(studies.map(({ device }) => reportOn(name, device))).then((parts) => {
    place.replaceChildren(...parts.flat());
    place.removeAttribute("aria-busy");
  });
  return section("Study", place);
}
