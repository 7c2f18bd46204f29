"use strict";
// The studio's page: what is asked of each face, and the picture with it, as fast as it comes.
// One request for a preview is on its way at a time; what changes meanwhile goes with the next.

const $ = (id) => document.getElementById(id);
const inFolder = document.body.dataset.folder === "yes";
const mostUnit = Number(document.body.dataset.mostUnit);
const LIVE_PX = 420; // of a face's region while a slider moves; it settles at the full size
const SETTLE_MS = 220;
const POLL_MS = 400;

let picture = null; // what the server said of the open one
let asks = []; // by face, what is asked; null is nothing
let selected = new Set();
let prototypes = {};
let scale = 1; // of the canvases' pixels to the picture's
let opening = 0;

// ---- Talking to the server.

async function answer(response) {
  if (response.ok) return response;
  let text = `the studio answered ${response.status}`;
  try { text = (await response.json()).error || text; } catch { /* not JSON: refused */ }
  throw new Error(text);
}

const post = (path, body) => fetch(path, {
  method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
}).then(answer);

const send = (path, file) => fetch(path, {
  method: "POST", body: file,
  headers: {"Content-Type": "application/octet-stream", "X-Name": encodeURIComponent(file.name)},
}).then(answer).then((each) => each.json());

function regionsOf(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const places = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  return places.map(([left, top, width, height]) => {
    const bytes = new Uint8ClampedArray(buffer, at, 4 * width * height);
    at += bytes.length;
    return {left, top, image: new ImageData(bytes, width, height)};
  });
}

function fail(error) {
  $("error").textContent = error.message;
  $("error").hidden = false;
}

function say(text) {
  $("error").hidden = true;
  $("said").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("said").textContent = ""; }, 6000);
}

/** Runs something that may fail, and shows why. */
const attempt = (work) => async (...given) => {
  try { await work(...given); } catch (error) { fail(error); }
};

// ---- What is asked of a face.

const newAsk = () => ({expression: null, intensity: 1, units: {}, rest: "", reference: null});

/** As the server reads it; null where nothing is asked. */
function wire(ask) {
  if (!ask) return null;
  const items = Object.entries(ask.units).map(([unit, value]) => `${unit}=${value}`);
  if (ask.rest) items.push(ask.rest);
  const has = ask.expression !== null || ask.reference !== null;
  if (!has && !items.length) return null;
  return {
    expression: ask.expression, reference: ask.reference, intensity: has ? ask.intensity : 1,
    au: items.join(",") || null,
  };
}

function fromWire(ask) {
  if (!ask) return null;
  const found = {...newAsk(), expression: ask.expression ?? null, reference: ask.reference ?? null};
  found.intensity = ask.intensity ?? 1;
  const rest = [];
  for (const item of (ask.au || "").split(",").filter(Boolean)) {
    const match = item.match(/^\s*(AU\d\d)\s*=\s*([\d.]+)\s*$/);
    if (match) found.units[match[1]] = Number(match[2]); else rest.push(item.trim());
  }
  found.rest = rest.join(",");
  return found;
}

const edits = () => asks.map((ask, face) => ({face, ask: wire(ask)})).filter((each) => each.ask);
const first = () => [...selected].sort((a, b) => a - b)[0];

/** What a unit of a face goes to before single units are set. */
function aimed(face, ask, unit) {
  const source = picture.faces[face].units[unit];
  const goal = ask?.reference ?? (ask?.expression ? prototypes[ask.expression] : null);
  if (!goal) return source;
  const way = source + ask.intensity * ((goal[unit] ?? 0) - source);
  return Math.min(mostUnit, Math.max(0, way));
}

/** Changes what is asked of the chosen faces. */
function change(event, how) {
  for (const face of selected) {
    asks[face] ??= newAsk();
    how(asks[face]);
  }
  leaveAnimation();
  showControls();
  preview([...selected], event.timeStamp);
}

// ---- The picture.

function fit() {
  const box = $("viewport");
  const style = getComputedStyle(box);
  const width = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const height = box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  const dense = window.devicePixelRatio || 1;
  const full = document.querySelector("[name=zoom]:checked").value === "full";
  const shown = full ? 1 / dense : Math.min(1, width / picture.width, height / picture.height);
  return {shown, scale: Math.min(1, shown * dense)};
}

async function showPicture() {
  const size = fit();
  const number = picture.picture;
  const compare = $("compare");
  compare.style.width = `${Math.round(picture.width * size.shown)}px`;
  compare.style.height = `${Math.round(picture.height * size.shown)}px`;
  const query = `view?picture=${number}&scale=${size.scale}`;
  const [view] = regionsOf(await (await answer(await fetch(query))).arrayBuffer());
  if (picture.picture !== number) return;
  scale = size.scale;
  for (const id of ["before", "after"]) {
    $(id).width = view.image.width;
    $(id).height = view.image.height;
    $(id).getContext("2d").putImageData(view.image, 0, 0);
  }
  const edited = edits().map((each) => each.face);
  if (edited.length) preview(edited, performance.now());
}

const waiting = new Set();
let asked = null; // when the first of the changes that wait was made
let busy = false;
let settling = 0;

function preview(faces, when) {
  faces.forEach((face) => waiting.add(face));
  asked ??= when;
  clearTimeout(settling);
  if (!busy) work();
}

/** How much smaller than shown a preview is, so that large faces follow the slider, too. */
function liveScale(faces) {
  const largest = Math.max(...faces.map((face) => Math.max(...picture.faces[face].box.slice(2))));
  return Math.min(scale, LIVE_PX / (1.2 * largest));
}

const work = attempt(async () => {
  busy = true;
  const rough = new Set();
  try {
    while (waiting.size) {
      const faces = [...waiting];
      const began = asked;
      waiting.clear();
      asked = null;
      const at = liveScale(faces);
      await draw(faces, at, began);
      faces.forEach((face) => (at < scale ? rough.add(face) : rough.delete(face)));
    }
  } finally {
    busy = false;
  }
  if (rough.size) {
    settling = setTimeout(attempt(async () => {
      if (busy) return;
      busy = true;
      try { await draw([...rough], scale, null); } finally { busy = false; }
      if (waiting.size) work();
    }), SETTLE_MS);
  }
});

async function draw(changed, at, began) {
  const [number, size] = [picture.picture, scale];
  const body = {picture: number, edits: edits(), changed, scale: at};
  const buffer = await (await post("preview", body)).arrayBuffer();
  if (picture.picture !== number || scale !== size) return;
  const context = $("after").getContext("2d");
  for (const {left, top, image} of regionsOf(buffer)) {
    if (at === size) {
      context.putImageData(image, left, top);
    } else {
      const [more, bitmap] = [size / at, await createImageBitmap(image)];
      context.drawImage(bitmap, left * more, top * more, image.width * more, image.height * more);
    }
  }
  if (began === null) return;
  requestAnimationFrame(() => {
    const drawn = new MessageChannel(); // its message comes once the frame is on its way
    drawn.port1.onmessage = () => {
      performance.measure("preview", {start: began, end: performance.now()});
    };
    drawn.port2.postMessage(0);
  });
}

function showOutlines() {
  const place = $("outlines");
  place.replaceChildren();
  if (!$("show-outlines").checked) return;
  picture.faces.forEach(({box: [left, top, width, height]}, face) => {
    const outline = document.createElement("div");
    outline.className = top < 0.06 * picture.height ? "outline low" : "outline";
    const share = (value, whole) => `${(100 * value) / whole}%`;
    outline.style.left = share(left, picture.width);
    outline.style.top = share(top, picture.height);
    outline.style.width = share(width, picture.width);
    outline.style.height = share(height, picture.height);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = face + 1;
    button.title = "Choose this face alone; with Shift, this one as well";
    button.setAttribute("aria-label", `Face ${face + 1}`);
    button.setAttribute("aria-pressed", selected.has(face));
    button.addEventListener("click", (event) => choose(face, event.shiftKey || event.ctrlKey));
    outline.append(button);
    place.append(outline);
  });
}

function setCut(value) {
  const compare = $("compare");
  compare.style.setProperty("--cut", value);
  compare.dataset.cut = value;
  $("cut").value = value;
  const now = Math.round(value);
  $("cut").setAttribute("aria-valuetext", `${now}% before, ${100 - now}% after`);
  for (const each of document.querySelectorAll("[name=view]")) {
    each.checked = each.value === String(value) || (each.value === "50" && value > 0 && value < 100);
  }
}

// ---- The controls.

function choose(face, more) {
  if (!more) selected = new Set([face]);
  else if (selected.has(face) && selected.size > 1) selected.delete(face);
  else selected.add(face);
  showFaces();
  showControls();
}

function showFaces() {
  const place = $("faces");
  place.replaceChildren();
  const chip = (text, label, on, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.setAttribute("aria-pressed", on);
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    place.append(button);
  };
  const count = picture.faces.length;
  if (!count) {
    place.append(Object.assign(document.createElement("span"), {
      className: "hint", textContent: "No face was found in this picture",
    }));
  } else if (count > 1) {
    chip("all", "All faces", selected.size === count, () => {
      selected = new Set(picture.faces.keys());
      showFaces();
      showControls();
    });
  }
  for (let face = 0; face < count; face++) {
    chip(String(face + 1), `Face ${face + 1}`, selected.has(face), () => choose(face, true));
  }
  showOutlines();
}

function showControls() {
  const face = first();
  const none = picture === null || face === undefined;
  for (const id of ["edit-field", "unfold-field"]) $(id).disabled = none;
  $("faces-field").disabled = picture === null;
  const ask = none ? null : asks[face];
  const has = Boolean(ask && (ask.expression !== null || ask.reference !== null));
  const value = ask?.reference ? "*" : ask?.expression ?? "";
  $("reference-chip").hidden = !ask?.reference && !lastReference;
  for (const each of document.querySelectorAll("[name=expression]")) {
    each.checked = each.value === value;
  }
  $("intensity").disabled = !has;
  $("intensity").value = has ? ask.intensity : 1;
  $("intensity-value").textContent = Number($("intensity").value).toFixed(2);
  let set = 0;
  for (const row of document.querySelectorAll(".unit")) {
    const unit = row.dataset.unit;
    const isSet = Boolean(ask && unit in ask.units);
    const shown = none ? 0 : isSet ? ask.units[unit] : aimed(face, ask, unit);
    row.classList.toggle("set", isSet);
    row.querySelector("input").value = shown;
    row.querySelector("output").textContent = shown.toFixed(1);
    row.querySelector(".reset").hidden = !isSet;
    set += isSet;
  }
  $("units-set").textContent = set ? `${set} set` : "";
  const any = picture !== null && edits().length > 0;
  for (const id of ["save", "download", "unfold", "save-animation", "reset"]) $(id).disabled = !any;
  const one = none ? null : wire(ask);
  $("save-preset").disabled = !one;
  if (inFolder) $("run").disabled = !(one || $("presets").value) || running;
}

let lastReference = null;

// ---- Opening.

async function opened(found) {
  picture = found;
  asks = found.faces.map(() => null);
  selected = new Set(found.faces.keys());
  leaveAnimation();
  $("empty").hidden = true;
  $("tools").hidden = false;
  $("compare").hidden = false;
  const faces = found.faces.length === 1 ? "1 face" : `${found.faces.length} faces`;
  $("name").textContent = `${found.name}, ${found.width} × ${found.height}, ${faces}`;
  $("error").hidden = true;
  for (const each of document.querySelectorAll("#film button")) {
    each.setAttribute("aria-current", each.dataset.path === found.path);
  }
  $("save").disabled = true;
  showFaces();
  showControls();
  await showPicture();
}

const open = attempt(async (load, name) => {
  const turn = ++opening;
  $("name").textContent = `${name} …`;
  const found = await load();
  if (turn === opening) await opened(found);
});

const openFile = (file) => open(() => send("upload", file), file.name);
const openPath = (path) => open(() => post("open", {path}).then((each) => each.json()), path);

const list = attempt(async () => {
  const found = await (await answer(await fetch("listing"))).json();
  prototypes = found.prototypes;
  showPresets(found.presets);
  if (!inFolder) return;
  const film = $("film");
  for (const path of found.pictures) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.path = path;
    button.title = path;
    const image = Object.assign(new Image(), {loading: "lazy", alt: "", width: 80, height: 64});
    image.src = `thumbnail?path=${encodeURIComponent(path)}`;
    const name = document.createElement("span");
    name.textContent = path.split("/").pop();
    button.append(image, name);
    button.addEventListener("click", () => openPath(path));
    film.append(button);
  }
  film.addEventListener("keydown", (event) => {
    const step = {ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling"}[event.key];
    const next = step && event.target[step];
    if (next) { event.preventDefault(); next.focus(); }
  });
  if (found.more) say(`${found.more} more pictures are in the folder; a run takes them, too`);
  if (found.pictures.length && !picture) await openPath(found.pictures[0]);
});

// ---- Presets, files, animations, the folder's run.

function showPresets(names) {
  const before = $("presets").value;
  $("presets").replaceChildren(...["", ...names].map((name) => new Option(
    name || (names.length ? "choose one" : "none is saved"), name)));
  $("presets").value = names.includes(before) ? before : "";
  $("load-preset").disabled = !$("presets").value;
}

function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function download(path, body) {
  const response = await post(path, body);
  const name = decodeURIComponent(response.headers.get("X-Name"));
  keep(await response.blob(), name);
  say(`${name} is downloaded`);
}

const wanted = (more) => ({picture: picture.picture, edits: edits(), ...more});

let playing = 0;

function leaveAnimation() {
  playing++;
  const image = $("animation");
  if (image.src) URL.revokeObjectURL(image.src);
  image.hidden = true;
  image.removeAttribute("src");
  $("compare").hidden = picture === null;
  $("unfold").setAttribute("aria-pressed", "false");
  $("unfold").textContent = "Play";
}

const unfold = attempt(async () => {
  if ($("unfold").getAttribute("aria-pressed") === "true") { leaveAnimation(); return; }
  const turn = ++playing;
  $("unfold").textContent = "Making it …";
  let blob;
  try {
    blob = await (await post("animation", wanted({format: ".webp"}))).blob();
  } catch (error) {
    leaveAnimation();
    throw error;
  }
  if (turn !== playing) return;
  $("animation").src = URL.createObjectURL(blob);
  $("animation").hidden = false;
  $("compare").hidden = true;
  $("unfold").setAttribute("aria-pressed", "true");
  $("unfold").textContent = "Back to the picture";
});

const currentAsk = () => {
  const ask = wire(asks[first()]);
  const condition = $("only-if").value.trim();
  return ask && condition ? {...ask, only_if: condition} : ask;
};

const savePreset = attempt(async () => {
  const name = $("preset-name").value.trim();
  let body = {name, ask: currentAsk(), overwrite: false};
  const known = [...$("presets").options].some((each) => each.value && each.value === name);
  if (known) {
    if (!window.confirm(`Replace the preset "${name}"?`)) return;
    body = {...body, overwrite: true};
  }
  showPresets((await (await post("presets", body)).json()).presets);
  $("presets").value = name;
  $("load-preset").disabled = false;
  say(`the preset ${name} is saved`);
});

const loadPreset = attempt(async () => {
  const body = {name: $("presets").value, picture: picture ? picture.picture : null};
  const found = await (await post("preset", body)).json();
  $("only-if").value = found.preset.only_if ?? "";
  if (inFolder && found.preset.faces) $("run-faces").value = String(found.preset.faces);
  if (!picture) { say("open a picture to see what it does"); return; }
  asks = found.asks.map(fromWire);
  leaveAnimation();
  showControls();
  preview([...picture.faces.keys()], performance.now());
  const count = edits().length;
  say(count ? `it edits ${count} of ${asks.length} faces here` : "it leaves every face here alone");
});

let running = false;

const poll = attempt(async () => {
  const now = await (await answer(await fetch("run"))).json();
  running = now.state === "running";
  $("stop").hidden = !running;
  $("progress").hidden = now.state === "none";
  showControls();
  if (now.state === "none") return;
  $("progress").max = Math.max(1, now.planned);
  $("progress").value = now.done;
  const failed = now.failed ? `, ${now.failed} failed` : "";
  const done = now.planned ? `${now.done} of ${now.planned} pictures${failed}` : "beginning";
  $("run-said").textContent = running ? done : `${now.said}: ${done}`;
  $("run-sentences").hidden = !now.sentences.length;
  document.querySelector("#run-sentences pre").textContent = now.sentences.join("\n");
  $("report").hidden = !now.report;
  if (now.report) $("report").href = now.report;
  if (running) setTimeout(poll, POLL_MS);
});

const run = attempt(async () => {
  const [ask, preset] = [currentAsk(), $("presets").value];
  const faces = $("run-faces").value;
  const name = (ask ? $("preset-name").value.trim() || ask.expression : preset) || "edit";
  $("report").hidden = true;
  await post("start", ask ? {name, ask, faces} : {name, preset});
  await poll();
});

// ---- What starts what.

$("file").addEventListener("change", () => { if ($("file").files[0]) openFile($("file").files[0]); });
$("cut").addEventListener("input", () => setCut(Number($("cut").value)));
for (const each of document.querySelectorAll("[name=view]")) {
  each.addEventListener("change", () => setCut(Number(each.value)));
}
for (const each of document.querySelectorAll("[name=zoom]")) {
  each.addEventListener("change", attempt(showPicture));
}
$("show-outlines").addEventListener("change", showOutlines);
for (const each of document.querySelectorAll("[name=expression]")) {
  each.addEventListener("change", (event) => change(event, (ask) => {
    ask.expression = each.value === "" || each.value === "*" ? null : each.value;
    ask.reference = each.value === "*" ? lastReference : null;
  }));
}
$("intensity").addEventListener("input", (event) => change(event, (ask) => {
  ask.intensity = Number($("intensity").value);
}));
for (const row of document.querySelectorAll(".unit")) {
  const unit = row.dataset.unit;
  row.querySelector("input").addEventListener("input", (event) => change(event, (ask) => {
    ask.units[unit] = Number(event.target.value);
  }));
  row.querySelector(".reset").addEventListener("click", (event) => change(event, (ask) => {
    delete ask.units[unit];
  }));
}
$("reset").addEventListener("click", (event) => {
  asks = asks.map(() => null);
  leaveAnimation();
  showControls();
  preview([...picture.faces.keys()], event.timeStamp);
});
$("reference").addEventListener("change", attempt(async () => {
  const file = $("reference").files[0];
  if (!file) return;
  const found = await send("reference", file);
  lastReference = found.units;
  $("reference-name").textContent = file.name;
  $("reference").value = "";
  say(found.seen.length ? `it shows ${found.seen.join(", ")}` : "hardly any expression is read in it");
  change(new Event("change"), (ask) => { ask.expression = null; ask.reference = found.units; });
}));
$("save").addEventListener("click", attempt(async () => {
  say(`saved: ${(await (await post("save", wanted())).json()).saved}`);
}));
$("download").addEventListener("click", attempt(() => download("download", wanted())));
$("unfold").addEventListener("click", unfold);
$("save-animation").addEventListener("click", attempt(() => download(
  "download-animation", wanted({format: $("format").value}))));
$("presets").addEventListener("change", () => {
  $("load-preset").disabled = !$("presets").value;
  showControls();
});
$("load-preset").addEventListener("click", loadPreset);
$("save-preset").addEventListener("click", savePreset);
if (inFolder) {
  $("run").addEventListener("click", run);
  $("stop").addEventListener("click", attempt(async () => { await post("stop", {}); }));
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    $("viewport").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files[0]) openFile(event.dataTransfer.files[0]);
  });
}
let resizing = 0;
new ResizeObserver(() => {
  clearTimeout(resizing);
  resizing = setTimeout(attempt(async () => {
    if (picture && !$("compare").hidden && Math.abs(fit().scale / scale - 1) > 0.01) await showPicture();
  }), 150);
}).observe($("viewport"));

setCut(12); // a strip of before, so that the divider is seen and the edit is whole
showControls();
list();
if (inFolder) poll();
