/** The settings of a request: what the form holds, and what it offers for a network. */

import { setFields, setLayers } from "./address.js";
import { enterLayers } from "./layers.js";
import { calibratedFor, defaultSigma, isCalibrated } from "./networks.js";
import { noiseFields, showDevices, tellsCosts } from "./noise.js";

const at = (id) => document.getElementById(id);

/** Fields of a request whose control has another name. */
const CONTROLS = { age_s: "age", temperature_c: "temperature", noise: "sigma" };

let seedIsAllowed = true;

/** Return the fields of a request that say how a network is asked. */
export function options(card) {
  const asked = {
    ...noiseFields(card),
    votes: at("votes").valueAsNumber,
    stop: at("stop").value,
  };
  if (!tellsCosts()) asked.hardware = { latency: at("latency").valueAsNumber };
  if (seedIsAllowed) asked.seed = at("seed").valueAsNumber;
  return asked;
}

/** Mark the control of a field of a request as the one that is wrong; none if there is no field. */
export function blame(field) {
  for (const control of at("settings").elements) control.removeAttribute("aria-invalid");
  at("settings").elements.namedItem(CONTROLS[field] ?? field)?.setAttribute("aria-invalid", "true");
}

export function newSeed() {
  at("seed").value = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
}

/** Ask without a seed from now on; return whether it was asked with one before. */
export function forbidSeed() {
  const was = seedIsAllowed;
  seedIsAllowed = false;
  at("seed").disabled = at("new-seed").disabled = true;
  return was;
}

/** Offer the rule `calibrated` where a network has a margin for it. */
export function offerRules(card) {
  const option = at("stop").querySelector('[value="calibrated"]');
  option.disabled = !card || !isCalibrated(card, options(card));
  option.textContent = `calibrated: ${card ? calibratedFor(card) : "no network"}`;
  if (option.disabled && option.selected) at("stop").value = "full";
}

/** Set the noise of a request that names none to a network. */
export function useNoiseOf(card) {
  showDevices(card, false);
  if (!card) return;
  const { common, byLayer } = defaultSigma(card);
  at("sigma").value = at("sigma-slider").value = common;
  enterLayers({ sigma: byLayer });
}

/** Take the settings that an address kept for a network; what it does not name stays. */
export function takeSettings(card, state) {
  setFields(state, ["device"]);
  showDevices(card, true);
  setFields(state);
  at("sigma-slider").value = at("sigma").value;
  if (Object.keys(state).some((name) => name !== "checkpoint")) setLayers(state);
  showDevices(card, false);
  offerRules(card);
}
