/** The studies of a network, if somebody has made some: without a device, and on those of its card. */

import { code, hint, make, section, terms } from "./elements.js";
import { get, hasKey, Refusal, wrong } from "./service.js";

const COMMAND = /noisevote-train study .*/;

/** Return the path of a report, as JSON or as a page. */
function pathOf(name, device, file) {
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

/** Return what to do where there is no study, or why it is not shown. */
function whyNone(name, error) {
  const isAbsent = error instanceof Refusal && error.status === 404;
  if (!isAbsent) return [hint(`It cannot be read: ${wrong(error)}.`)];
  const [command] = error.message.match(COMMAND) ?? [`noisevote-train study ${name}`];
  return [hint("There is none yet. This command makes one: ", code(command))];
}

/** Return a report in short; nothing if there is none on a device, where nobody misses it. */
async function reportOn(name, device) {
  try {
    const { title, answers } = await get(pathOf(name, device, "report"));
    return [
      make("h4", {}, title),
      terms(Object.entries(answers)),
      make("p", {}, linkTo(name, device)),
    ];
  } catch (error) {
    return device === null ? whyNone(name, error) : [];
  }
}

/** Return the section of the studies, which fills itself. */
export function studySection({ name, on_devices: measured }) {
  const place = make("div", { "aria-busy": "true" }, "Looks for a study.");
  const devices = new Set(measured.flatMap(({ accuracies }) => accuracies.map((one) => one.device)));
  Promise.all([null, ...devices].map((device) => reportOn(name, device))).then((parts) => {
    place.replaceChildren(...parts.flat());
    place.removeAttribute("aria-busy");
  });
  return section("Study", place);
}
