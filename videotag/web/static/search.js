// What makes the search page pleasant; without it all works too. Nothing is remembered.
const box = document.querySelector(".question [name=q]");
const cards = [...document.querySelectorAll(".card h2 a")];

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !typing) {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (cards.length && (!typing || (typing === box && event.key === "ArrowDown"))) {
    step(event);
  }
});

function step(event) {
  const at = cards.indexOf(document.activeElement);
  const perRow = cards.filter((card) => top(card) === top(cards[0])).length;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: at < 0 ? 1 : perRow, ArrowUp: -perRow }[event.key];
  if (!by || (at < 0 && by < 0)) return;
  event.preventDefault();
  const next = at + by;
  if (next < 0) box.focus();
  else cards[Math.min(next, cards.length - 1)].focus();
}

function top(card) {
  return Math.round(card.closest(".card").getBoundingClientRect().top);
}

// Fields that say nothing stay out of the address.
document.querySelector(".question").addEventListener("formdata", ({ formData }) => {
  for (const name of new Set(formData.keys())) {
    const values = formData.getAll(name).filter((value) => value.trim());
    formData.delete(name);
    for (const value of values) formData.append(name, value);
  }
});
