// The page of a video: one clock for the file, its copy and its clips; words, segments and keys that follow it.

const player = document.querySelector(".player");
if (player) start(player, player.querySelector("video"), player.querySelector(".mode"));

function start(player, video, how) {
  const known = player.dataset;
  const duration = Number(known.duration), lead = Number(known.lead), step = Number(known.step);
  let kind = "", offset = 0; // what is played, and the second of the video at which it begins
  let wanted = Number(known.start); // where to begin in what is being loaded

  // === What is played ===

  const source = (kind) => video.querySelector(`source[data-kind="${kind}"]`);
  const now = () => (video.readyState ? video.currentTime + offset : wanted);
  const show = (name, yes = true) => { how.querySelector(`.${name}`).hidden = !yes; };
  const making = (yes) => { show("making", yes); show("clip-span", !yes); };

  /** Where the clip of a second begins: as videotag/web/films.py has it. */
  function beginOf(second) {
    const grid = (time) => Math.floor(Math.max(0, time) / step) * step;
    return Math.min(grid(second - lead), grid(duration - lead));
  }

  function playing(next, begin) {
    kind = next;
    offset = begin;
    show("of-clip", kind === "clip");
    show("of-copy", kind === "copy");
    if (kind === "clip") {
      const told = how.querySelector(".clip-span");
      const end = Math.min(begin + 2 * step, duration || Infinity);
      told.textContent = told.dataset.text.replace("START", clock(begin)).replace("END", clock(end));
      const taken = document.querySelector(".take-clip");
      if (taken) taken.href = `${known.clip}?t=${begin + lead}`;
    }
    for (const track of video.querySelectorAll("track")) {
      const address = track.dataset.src + (kind === "clip" ? `?start=${begin}` : "");
      if (track.getAttribute("src") !== address) track.setAttribute("src", address);
    }
  }

  /** Load something else, to go on at a second of the video. */
  function load(next, second, play) {
    wanted = Math.max(0, second);
    const begin = next === "clip" ? beginOf(second + lead) : 0;
    playing(next, begin);
    making(next === "clip");
    show("failed", false);
    video.src = next === "clip" ? `${known.clip}?t=${begin + lead}` : next === "copy" ? known.copy : source("file").src;
    video.load();
    if (play) video.play().catch(() => {});
  }

  function go(second, play = !video.paused) {
    const inside = second >= offset && second < offset + (video.duration || 0);
    if (kind === "clip" && !inside) load("clip", second, play);
    else {
      video.currentTime = Math.max(0, second - offset);
      if (play) video.play().catch(() => {});
    }
  }

  video.addEventListener("loadedmetadata", () => {
    const from = [...video.querySelectorAll("source")].find((one) => one.src === video.currentSrc);
    if (from && !video.getAttribute("src")) {
      if (from.dataset.kind === "clip") {
        if (source("file")) show("refused");
        playing("clip", beginOf(wanted + lead));
      } else playing(from.dataset.kind, 0);
    }
    if (Math.abs(now() - wanted) > 0.5) video.currentTime = Math.max(0, wanted - offset);
  });
  video.addEventListener("loadeddata", () => {
    making(false);
    if (known.pictures && !video.videoWidth && kind === "file") {
      show("no-pictures");
      load("clip", wanted, !video.paused);
    }
    follow();
  });
  video.addEventListener("ended", () => {
    const next = offset + video.duration;
    if (kind === "clip" && next < duration - 1) load("clip", next, true);
  });
  video.addEventListener("error", () => {
    if (kind === "file") {
      show("refused");
      load("clip", now(), false);
    } else failed();
  });
  for (const one of video.querySelectorAll("source")) {
    one.addEventListener("error", () => { if (one === video.querySelector("source:last-of-type")) failed(); });
  }
  function failed() {
    making(false);
    show("failed");
  }

  // === What follows the clock ===

  const words = document.querySelector(".words");
  const lines = words ? [...words.querySelectorAll("a")] : [];
  const times = lines.map((line) => Number(line.dataset.t));
  const segments = [...document.querySelectorAll("article.segment")];
  const cards = [...document.querySelectorAll(".film li")];
  const head = player.querySelector(".timeline .head");
  let scrolled = 0; // when somebody has last moved the words
  for (const kind of ["wheel", "touchmove", "keydown"]) {
    words?.addEventListener(kind, () => { scrolled = Date.now(); }, { passive: true });
  }

  function follow() {
    const second = now();
    head?.setAttribute("x", String(second));
    current(lines, last(times, second + 0.05), (line) => {
      if (Date.now() - scrolled > 6000) within(words, line, "Top", "Height");
    });
    const segment = last(segments.map((one) => Number(one.dataset.start)), second);
    if (segment >= 0 && segments[segment].hidden) {
      segments.forEach((one, number) => { one.hidden = number !== segment; });
    }
    current(cards, segment, (card) => within(card.parentElement, card, "Left", "Width"));
  }
  video.addEventListener("timeupdate", follow);
  video.addEventListener("seeked", follow);

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-t]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.replaceState(null, "", link.getAttribute("href"));
    go(Number(link.dataset.t), true);
  });

  // === Keys ===

  const keys = document.querySelector("dialog.keys");
  const hits = [...document.querySelectorAll(".hits a")].map((one) => Number(one.dataset.t));
  const rate = Number(known.rate);

  function frame(by) {
    if (!rate) return;
    video.pause();
    const number = Math.floor(now() * rate + 0.01) + by;
    go((number + 0.5) / rate, false); // the middle: no rounding goes to the picture before
  }
  const doing = {
    " ": () => (video.paused ? video.play().catch(() => {}) : video.pause()),
    j: () => go(now() - 10),
    l: () => go(now() + 10),
    ArrowLeft: () => go(now() - 5),
    ArrowRight: () => go(now() + 5),
    ",": () => frame(-1),
    ".": () => frame(1),
    n: () => jump(hits.find((hit) => hit > now() + 0.5)),
    p: () => jump(hits.findLast((hit) => hit < now() - 2)),
    "/": () => document.querySelector("input[type=search]").focus(),
    "?": () => keys.showModal(),
  };
  doing.k = doing[" "];
  const jump = (hit) => { if (hit !== undefined) go(hit, true); };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || keys.open) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const own = event.target.closest("button, a, summary, video, [tabindex]");
    if (own && (event.key === " " || event.key.startsWith("Arrow"))) return; // its own, or the native controls'
    const action = doing[event.key] ?? doing[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // === What had happened before this script came ===

  if (video.querySelector("source").dataset.kind === "clip" && video.readyState < 1) making(true);
  if (video.error || (video.readyState < 1 && video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE)) failed();
  if (video.readyState >= 1) video.dispatchEvent(new Event("loadedmetadata"));
  if (video.readyState >= 2) video.dispatchEvent(new Event("loadeddata"));

  // === The copy of the whole ===

  const copy = how.querySelector(".whole-copy");
  if (copy.hidden) return;
  copy.addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch(event.target.action, { method: "POST", redirect: "manual" });
    await look();
  });
  async function look() {
    const answer = await fetch(`${known.copy}/state`).catch(() => null);
    if (answer?.ok) tell(await answer.json());
    if (["waiting", "making"].includes(copy.dataset.state)) setTimeout(look, 1000);
  }
  function tell(state) {
    const before = copy.dataset.state;
    copy.dataset.state = state.state;
    const told = copy.querySelector(`.is-${state.state} .say`);
    if (state.state === "making") {
      told.textContent = copy.dataset.making.replace("PERCENT", Math.floor(100 * state.share));
      copy.querySelector("progress").value = state.share;
    }
    if (state.state === "failed") told.textContent = copy.dataset.failed.replace("ERROR", state.error);
    if (state.state === "ready" && before !== "ready") {
      told.textContent = copy.dataset.ready.replace("MB", Math.ceil(state.size / 1e6));
      if (kind !== "file") load("copy", now(), !video.paused);
    }
  }
  if (["waiting", "making"].includes(copy.dataset.state)) look();
}

/** The number of the last of rising times that is not after a second; -1 before the first. */
function last(times, second) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= second) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Mark one of them as the current one, and do something with it if it was not. */
function current(all, number, changed) {
  const one = all[number];
  if (!one || one.getAttribute("aria-current")) return;
  for (const other of all) other.removeAttribute("aria-current");
  one.setAttribute("aria-current", "true");
  changed(one);
}

/** Scroll a box, and not the page, so that something in it stands a third from its start. */
function within(box, one, side, size) {
  const place = one.getBoundingClientRect()[side.toLowerCase()] - box.getBoundingClientRect()[side.toLowerCase()];
  box[`scroll${side}`] += place - box[`client${size}`] / 3;
}

function clock(second) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const hours = Math.floor(second / 3600);
  return (hours ? `${hours}:` : "") + `${two((second % 3600) / 60)}:${two(second % 60)}`;
}
