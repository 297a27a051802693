/** Sigma and reads by layer: one line for each noise point of the chosen network. */

const MAX_SIGMA = 1000;
const MAX_REPEATS = 1_000_000;

const at = (id) => document.getElementById(id);

/** Return a field for the number of a noise point. */
function field(kind, point, limits) {
  const input = document.createElement("input");
  Object.assign(input, { type: "number", ...limits });
  input.dataset.kind = kind;
  input.dataset.point = point;
  input.setAttribute("aria-label", `${kind === "sigma" ? "Sigma" : "Reads"} at ${point}`);
  return input;
}

function row(point) {
  const made = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = name.title = point;
  made.append(
    name,
    field("sigma", point, { min: 0, max: MAX_SIGMA, step: "any", placeholder: "common" }),
    field("repeats", point, { min: 1, max: MAX_REPEATS, step: 1, placeholder: "1" }),
  );
  return made;
}

const fields = (kind) => [...at("layer-rows").querySelectorAll(`[data-kind="${kind}"]`)];

/** Return what is entered, by noise point. */
function entered(kind) {
  const given = fields(kind).filter((input) => !input.disabled && !Number.isNaN(input.valueAsNumber));
  return Object.fromEntries(given.map((input) => [input.dataset.point, input.valueAsNumber]));
}

/** Show the noise points of a network; what was entered stays if another one has the same. */
export function showLayers(card, isOnDevice) {
  const points = (card?.noise_points ?? []).map(({ name }) => name);
  const shown = fields("sigma").map((input) => input.dataset.point);
  if (JSON.stringify(points) !== JSON.stringify(shown)) {
    at("layer-rows").replaceChildren(...points.map(row));
    at("layer-filter").value = "";
  }
  at("layers").classList.toggle("is-on-device", isOnDevice);
  for (const input of fields("sigma")) input.disabled = input.hidden = isOnDevice;
  filter();
  const set = new Set([...Object.keys(entered("sigma")), ...Object.keys(readsByLayer() ?? {})]);
  at("layers-set").textContent = set.size ? `${set.size} of ${points.length} set` : "";
}

/** Return the sigma of a request: the common one, or all by noise point where one differs. */
export function sigmaByLayer(card, common) {
  const own = entered("sigma");
  if (!card || !Object.keys(own).length) return common;
  return Object.fromEntries(card.noise_points.map(({ name }) => [name, own[name] ?? common]));
}

/** Return the reads that are averaged by noise point; nothing if each is read once. */
export function readsByLayer() {
  const several = Object.entries(entered("repeats")).filter(([, reads]) => reads !== 1);
  return several.length ? Object.fromEntries(several) : undefined;
}

/** Enter values by noise point in the place of what was there. */
export function enterLayers({ sigma = {}, repeats = {} }) {
  for (const [kind, values] of Object.entries({ sigma, repeats })) {
    for (const input of fields(kind)) input.value = values[input.dataset.point] ?? "";
  }
}

/** Return what is entered, as addresses keep it. */
export const enteredLayers = () => ({ sigma: entered("sigma"), repeats: readsByLayer() ?? {} });

/** Show the layers alone whose name holds the filter, and what is not allowed. */
function filter() {
  const wanted = at("layer-filter").value.trim().toLowerCase();
  for (const item of at("layer-rows").children) {
    const isFound = item.firstElementChild.textContent.toLowerCase().includes(wanted);
    item.hidden = !isFound && item.querySelector(":invalid") === null;
  }
}

/** Have the filter work, and the button that empties all fields. */
export function wireLayers(changed) {
  at("layer-filter").addEventListener("input", (event) => {
    event.stopPropagation(); // it changes no setting
    filter();
  });
  at("layer-reset").addEventListener("click", () => {
    enterLayers({});
    changed();
  });
}
