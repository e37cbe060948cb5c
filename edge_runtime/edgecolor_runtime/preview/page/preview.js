// The page of the live preview: two streams, statistics once per second, and one setting.
"use strict";

const $ = (id) => document.getElementById(id);
const format = (value, digits) => (value == null ? "–" : value.toFixed(digits));
const formatMilliseconds = (value) => (value == null ? "–" : `${format(value, 1)} ms`);
const STAGES = ["capture", "prepare", "invoke", "finish", "encode"];

let streamNumber = 0; // a new number in the address starts a new stream
let sliderEvents = 0; // requests of the slider that were started, and that have ended
let lastFrames = -1; // number of colored frames at the last poll
let stillPolls = 0; // polls since that number has changed

function selectedView() {
  return document.querySelector("[name=view]:checked").value;
}

// A hidden picture has no address. The server then does not encode it.
function openStreams() {
  streamNumber += 1;
  for (const name of ["color", "gray"]) {
    const image = $(name);
    image.hidden = name === "gray" && selectedView() === "color";
    if (image.hidden || document.hidden) image.removeAttribute("src");
    else image.src = `/stream/${name}?lengths=no&number=${streamNumber}`;
  }
  $("stage").dataset.view = selectedView();
  $("split").hidden = selectedView() !== "split";
  moveSplit();
}

function moveSplit() {
  $("stage").style.setProperty("--at", `${$("split").value}%`);
}

function showState(state, text) {
  if ($("state").dataset.state === "lost" && state !== "lost") openStreams();
  $("state").dataset.state = state;
  if ($("state").textContent !== text) $("state").textContent = text; // a screen reader reads it aloud at each change
}

function showStatistics(now) {
  const latency = now.latency_ms ?? {};
  $("about").textContent = [now.source, now.size?.join(" × "), now.model && `model ${now.model}`].filter(Boolean).join(" · ");
  $("fps").textContent = format(now.fps, 1);
  $("frames").textContent = `${now.frames ?? 0} colored`;
  $("p50").textContent = formatMilliseconds(latency.p50);
  const start = { capture: " since capture", arrival: " since arrival", reading: " since reading" };
  $("latency").textContent = `Latency${start[now.latency_from] ?? ""}`;
  $("tail").textContent = `median · p90 ${format(latency.p90, 1)} · p99 ${format(latency.p99, 1)}`;
  const dropped = now.dropped ?? 0;
  $("dropped").textContent = dropped;
  $("share").textContent = `${format((100 * dropped) / Math.max(1, now.frames + dropped), 1)} %`;
  $("temperature").textContent = now.temperature_c == null ? "–" : `${format(now.temperature_c, 0)} °C`;
  $("heat").textContent = now.temperature_c == null ? "not available on this machine" : "";
  showStages(now.stages_ms ?? {});
  stillPolls = now.frames === lastFrames ? stillPolls + 1 : 0;
  lastFrames = now.frames;
  const countsFrames = now.frames !== undefined; // a program may show pictures without statistics
  if (!countsFrames || (lastFrames > 0 && stillPolls < 3)) showState("live", "Live");
  else showState("wait", lastFrames > 0 ? "No new picture" : "Waiting for a picture");
}

function showStages(stages) {
  const known = Object.keys(stages).filter((name) => stages[name]);
  const names = [...STAGES.filter((name) => known.includes(name)), ...known.filter((name) => !STAGES.includes(name))];
  const classOf = (name) => (STAGES.includes(name) ? name : "other");
  $("bar").replaceChildren(...names.map((name) => {
    const part = document.createElement("i");
    part.className = classOf(name);
    part.style.flexGrow = stages[name].p50 ?? 0;
    return part;
  }));
  $("stages").tBodies[0].replaceChildren(...names.map((name) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.className = classOf(name);
    head.textContent = name;
    row.append(head);
    for (const percentile of ["p50", "p90", "p99"]) row.insertCell().textContent = formatMilliseconds(stages[name][percentile]);
    return row;
  }));
}

// The time limit also detects a connection that was lost without an error.
const request = (path, options) => fetch(path, { ...options, signal: AbortSignal.timeout(5000) });

async function poll() {
  const before = sliderEvents;
  try {
    const answer = await request("/statistics");
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    if (!setting && sliderEvents === before) showSaturation(now.saturation); // otherwise the answer may be outdated
    showStatistics(now);
  } catch {
    showState("lost", "No connection");
  }
  setTimeout(poll, 1000);
}

function showSaturation(gain) {
  $("saturation").value = gain;
  $("shown").textContent = format(gain, 2);
}

// While the slider moves, there is one request at a time, and the last position wins.
let setting = false;
let wanted = null;

async function sendSaturation() {
  wanted = Number($("saturation").value);
  $("shown").textContent = format(wanted, 2);
  if (setting) return;
  setting = true;
  sliderEvents += 1;
  try {
    while (wanted !== null) {
      const body = JSON.stringify({ saturation: wanted });
      wanted = null;
      await request("/saturation", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    }
  } catch {
    showState("lost", "No connection");
  }
  setting = false;
  sliderEvents += 1;
}

for (const choice of document.querySelectorAll("[name=view]")) choice.addEventListener("change", openStreams);
for (const name of ["color", "gray"]) $(name).addEventListener("error", () => setTimeout(openStreams, 2000)); // too many streams
document.addEventListener("visibilitychange", openStreams);
$("split").addEventListener("input", moveSplit);
$("saturation").addEventListener("input", sendSaturation);
openStreams();
poll();
