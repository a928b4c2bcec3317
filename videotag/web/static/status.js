// Keeps the page of statuses true while it is looked at: the server says that something has changed, and what the same
// address shows now is put in place of what differs. What is open stays open, and where the keyboard is, it stays.

const PARTS = ["told", "totals", "phases", "errors", "videos"];
let stream;
let asked = 0;

function listen() {
  stream ??= new EventSource("/api/status/stream");
  stream.onmessage = refresh;
  stream.onopen = () => tell(true);
  stream.onerror = () => tell(false);
}

function rest() {
  stream?.close();
  stream = undefined;
}

function tell(live) {
  document.getElementById("live").hidden = !live;
  document.getElementById("seen").hidden = live;
}

async function refresh(news) {
  const link = document.querySelector("a[data-version]");
  if (news.lastEventId === link.dataset.version) return; // the page has just come, and shows that
  const turn = ++asked;
  const answer = await fetch(link.href).catch(() => undefined);
  if (turn !== asked || !answer?.ok) return; // a later one is on its way, or the server is not there
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  link.dataset.version = fresh.querySelector("a[data-version]").dataset.version;
  document.getElementById("seen").textContent = fresh.getElementById("seen").textContent;
  for (const id of PARTS) renew(document.getElementById(id), fresh.getElementById(id));
}

function renew(old, fresh) {
  if (!old && !fresh) return;
  if (!old || !fresh) return location.assign(document.querySelector("a[data-version]").href); // none before, or now
  for (const details of old.querySelectorAll("details[open]")) {
    const same = details.id && fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = true;
  }
  if (old.outerHTML === fresh.outerHTML) return;
  const rows = old.id === "videos" ? [...fresh.children] : [];
  if (rows.length && rows.map((row) => row.id).join() === [...old.children].map((row) => row.id).join()) {
    rows.forEach((row, number) => renew(old.children[number], row));
    return;
  }
  const focused = old.contains(document.activeElement) && place(document.activeElement, old);
  old.replaceWith(document.adoptNode(fresh));
  if (focused) find(focused, fresh)?.focus({ preventScroll: true });
}

// Where an element is in a part of the page: by the nearest id, and its number among what can have the focus there.
const CAN = "a[href], button, summary";

function place(element, part) {
  const near = element.closest("[id]");
  const inside = part.contains(near) ? near : part;
  return { id: inside.id, number: [...inside.querySelectorAll(CAN)].indexOf(element) };
}

function find({ id, number }, part) {
  const inside = part.id === id ? part : part.querySelector(`#${CSS.escape(id)}`);
  return inside?.querySelectorAll(CAN)[number];
}

document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
addEventListener("pagehide", rest);
addEventListener("pageshow", () => document.hidden || listen());
