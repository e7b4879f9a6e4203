// What pages gain with JavaScript; each of them works without.
"use strict";

// A sentence's place in the recording plays here, instead of opening the recording.
document.addEventListener("click", (event) => {
  const seek = event.target.closest("[data-seek]");
  const player = document.getElementById("recording");
  if (seek && player) {
    event.preventDefault();
    const at = Number(seek.dataset.seek);
    const go = () => { player.currentTime = at; };
    player.dataset.at = seek.dataset.seek;
    if (player.readyState > 0) go(); else player.addEventListener("loadedmetadata", go, { once: true });
    player.play().catch(() => {});
    return;
  }
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const text = document.querySelector(copy.dataset.copy).textContent;
    navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; }, () => {});
  }
});

// What can't be undone asks first.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A page that renews itself would take away the button that is being pressed, and the place of who goes by
// keyboard (htmx gives that back to what has an id): the next time will do.
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  const here = document.activeElement;
  if (target.querySelector(":active") || (target.contains(here) && !here.id)) event.detail.shouldSwap = false;
});

// A page that can't renew itself says so: what it shows is as old as it says.
for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => event.detail.target.classList.add("stale"));
}

// "/" goes to the search.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("[data-slash]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

// On a phone the menu is one line, longer than the screen.
const menu = document.querySelector(".side nav");
const here = menu && menu.querySelector("[aria-current]");
if (here) menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;

// Opens the fact or the turn that an address points to.
const named = () => {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (target) target.scrollIntoView({ block: "center" });
};
window.addEventListener("hashchange", named);
named();
