// Keeps a page up to date without a reload. Everything that comes from the service is set as text or as one of
// a few attributes; only HTML that the service made from its own templates is put in as such.
"use strict";

const ATTRIBUTES = new Set(["class", "d", "width", "x", "y"]);
const LOOKED_AT = new Set(["breaking", "wrong", "passing", "risk"]);
const live = document.getElementById("live");
const everyS = Number(document.body.dataset.everyS);
let feed = document.body.dataset.feed;
let newest = "";
let heardAt = Date.now();

function say(text, kind) {
  if (live.textContent !== text) live.textContent = text;
  live.className = kind;
}

function change(element, cells) {
  for (const [key, value] of Object.entries(cells)) {
    const [name, attribute] = key.split("@");
    const place = element.querySelector(`[data-f="${name}"]`);
    if (!place) continue;
    if (attribute === undefined) place.textContent = value;
    else if (ATTRIBUTES.has(attribute)) place.setAttribute(attribute, value);
    if (key === "state@class") element.dataset.kind = value;
  }
}

function rowOf(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.firstElementChild;
}

function take(told) {
  for (const id of told.gone) document.getElementById(id)?.remove();
  const rows = document.getElementById("rows");
  const focused = document.activeElement;
  for (const { id, html, after } of told.placed) {
    const row = html === undefined ? document.getElementById(id) : rowOf(html);
    if (!row) continue;
    const before = after === null ? null : document.getElementById(after);
    if (before) before.after(row);
    else rows.prepend(row);
  }
  // Who reads on by the keyboard stays in a row that moves.
  if (document.activeElement !== focused && focused.isConnected) focused.focus();
  for (const [id, cells] of Object.entries(told.cells)) {
    const element = document.getElementById(id);
    if (element) change(element, cells);
  }
  document.getElementById("none").hidden = rows.childElementCount > 0;
  if (told.gone.length || told.placed.length || filtering()) filter();
}

function takeParts(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const element = document.getElementById(id);
    if (element) element.innerHTML = html;
  }
}

function listen() {
  const url = newest && feed.includes("after=") ? feed.replace(/after=\d+/, `after=${newest}`) : feed;
  const source = new EventSource(url);
  const heard = (event) => {
    heardAt = Date.now();
    newest = event.lastEventId || newest;
    say("live", "ok");
  };
  source.onopen = heard;
  source.addEventListener("changes", (event) => { heard(event); take(JSON.parse(event.data)); });
  source.addEventListener("parts", (event) => { heard(event); takeParts(JSON.parse(event.data)); });
  // The service was started anew, or this browser slept too long: what is shown belongs to another time.
  source.addEventListener("stale", () => { source.close(); location.reload(); });
  source.onerror = () => {
    say("not live: the service does not answer, trying again", "trouble");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
  };
}

const wanted = document.getElementById("wanted");
const troubled = document.getElementById("troubled");

function filtering() {
  return wanted !== null && (wanted.value !== "" || troubled.checked);
}

function filter() {
  const text = wanted.value.trim().toLowerCase();
  const rows = document.getElementById("rows").children;
  let shown = 0;
  for (const row of rows) {
    const named = ["name", "policy", "mode", "state"];
    const told = named.map((name) => row.querySelector(`[data-f="${name}"]`).textContent).join(" ");
    row.hidden = !told.toLowerCase().includes(text) || (troubled.checked && !LOOKED_AT.has(row.dataset.kind));
    if (!row.hidden) shown += 1;
  }
  const output = document.getElementById("shown");
  const told = filtering() ? `${shown} of ${rows.length} shown` : "";
  if (output.textContent !== told) output.textContent = told;
}

if (wanted) {
  document.getElementById("filter").hidden = false;
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  wanted.addEventListener("input", filter);
  troubled.addEventListener("change", filter);
  if (filtering()) filter();
}

if (feed) {
  say("connecting", "quiet");
  listen();
  setInterval(() => {
    const silentS = (Date.now() - heardAt) / 1000;
    if (silentS > 3 * everyS + 5) say(`no news for ${Math.round(silentS)} s`, "trouble");
  }, 1000);
}
