// The page of the live preview: streams in two pictures, figures once a second, one setting.
"use strict";

const $ = (id) => document.getElementById(id);
const number = (value, digits) => (value == null ? "–" : value.toFixed(digits));
const milliseconds = (value) => (value == null ? "–" : `${number(value, 1)} ms`);
const STAGES = ["capture", "prepare", "invoke", "finish", "encode"];

let streams = 0; // begun so far: a new number in the address begins anew
let touches = 0; // of the slider's requests, begun and ended
let frames = -1; // colored until the last look
let still = 0; // looks since then

function view() {
  return document.querySelector("[name=view]:checked").value;
}

// A hidden picture has no address, so that nothing is encoded for it.
function watch() {
  streams += 1;
  for (const name of ["color", "gray"]) {
    const image = $(name);
    image.hidden = name === "gray" && view() === "color";
    if (image.hidden || document.hidden) image.removeAttribute("src");
    else image.src = `/stream/${name}?${streams}`;
  }
  $("stage").dataset.view = view();
  $("split").hidden = view() !== "split";
  split();
}

function split() {
  $("stage").style.setProperty("--at", `${$("split").value}%`);
}

function say(state, text) {
  if ($("state").dataset.state === "lost" && state !== "lost") watch();
  $("state").dataset.state = state;
  if ($("state").textContent !== text) $("state").textContent = text; // read aloud only when it changes
}

function show(now) {
  const latency = now.latency_ms ?? {};
  $("about").textContent = [now.source, now.size?.join(" × "), now.model && `model ${now.model}`].filter(Boolean).join(" · ");
  $("fps").textContent = number(now.fps, 1);
  $("frames").textContent = `${now.frames} colored`;
  $("p50").textContent = milliseconds(latency.p50);
  $("tail").textContent = `90 % ${number(latency.p90, 1)} · 99 % ${number(latency.p99, 1)}`;
  $("dropped").textContent = now.dropped;
  $("share").textContent = `${number((100 * now.dropped) / Math.max(1, now.frames + now.dropped), 1)} %`;
  $("temperature").textContent = now.temperature_c == null ? "–" : `${number(now.temperature_c, 0)} °C`;
  $("heat").textContent = now.temperature_c == null ? "not told here" : "";
  showStages(now.stages_ms ?? {});
  still = now.frames === frames ? still + 1 : 0;
  frames = now.frames;
  if (frames > 0 && still < 3) say("live", "Live");
  else say("wait", frames > 0 ? "No new picture" : "Waiting for a picture");
}

function showStages(stages) {
  const known = Object.keys(stages).filter((name) => stages[name]);
  const names = [...STAGES.filter((name) => known.includes(name)), ...known.filter((name) => !STAGES.includes(name))];
  const kind = (name) => (STAGES.includes(name) ? name : "other");
  $("bar").replaceChildren(...names.map((name) => {
    const part = document.createElement("i");
    part.className = kind(name);
    part.style.flexGrow = stages[name].p50 ?? 0;
    return part;
  }));
  $("stages").tBodies[0].replaceChildren(...names.map((name) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.className = kind(name);
    head.textContent = name;
    row.append(head);
    for (const share of ["p50", "p90", "p99"]) row.insertCell().textContent = milliseconds(stages[name][share]);
    return row;
  }));
}

// A network that went away without a word is noticed, too.
const ask = (path, options) => fetch(path, { ...options, signal: AbortSignal.timeout(5000) });

async function poll() {
  const before = touches;
  try {
    const answer = await ask("/statistics");
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    if (!setting && touches === before) reflect(now.saturation); // else it may be from before
    show(now);
  } catch {
    say("lost", "No connection");
  }
  setTimeout(poll, 1000);
}

function reflect(gain) {
  $("saturation").value = gain;
  $("shown").textContent = number(gain, 2);
}

// While the slider moves, one request is under way at a time, and the last position wins.
let setting = false;
let wanted = null;

async function saturate() {
  wanted = Number($("saturation").value);
  $("shown").textContent = number(wanted, 2);
  if (setting) return;
  setting = true;
  touches += 1;
  try {
    while (wanted !== null) {
      const body = JSON.stringify({ saturation: wanted });
      wanted = null;
      await ask("/saturation", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    }
  } catch {
    say("lost", "No connection");
  }
  setting = false;
  touches += 1;
}

for (const choice of document.querySelectorAll("[name=view]")) choice.addEventListener("change", watch);
for (const name of ["color", "gray"]) $(name).addEventListener("error", () => setTimeout(watch, 2000)); // too many watch
document.addEventListener("visibilitychange", watch);
$("split").addEventListener("input", split);
$("saturation").addEventListener("input", saturate);
watch();
poll();
