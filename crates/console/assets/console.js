// What a page can do beyond what the server renders. Everything works without it, but for the code of a
// link, which has to be typed then.
"use strict";

// Copying.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}

// A form is sent once, however often its button is pressed in the seconds in which the answer is on its way: the browser
// would show the answer to the second one, and what is shown once was in the first (the server keeps that for a minute, if it
// is the same one). A form that opens another tab stays as it is.
const sent = new WeakMap();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.target === "_blank") return;
  const before = sent.get(form);
  if (before && Date.now() - before.at < 5000) {
    event.preventDefault();
    before.says.textContent = "It is being sent: the answer comes by itself.";
    return;
  }
  const says = before?.says ?? document.createElement("p");
  says.className = "hint";
  says.setAttribute("role", "status");
  form.append(says);
  sent.set(form, { at: Date.now(), says });
  event.submitter?.setAttribute("aria-busy", "true");
});
// Whoever comes back to the page may send it again.
addEventListener("pageshow", () => {
  for (const form of document.forms) {
    sent.get(form)?.says.remove();
    sent.delete(form);
  }
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// The code of a link: it stands behind `#`, so only this page has it. It is taken out of the address first. Another link that
// is opened in the same tab loads nothing anew.
const link = document.querySelector("form[data-link]");
const enter = () => {
  if (!link || location.hash.length < 2) return;
  const code = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (code === "main") return;
  link.elements.code.value = code;
  sent.delete(link);
  // Nobody becomes somebody else by opening a link: whoever is signed in is asked first.
  fetch("/console/signed-in", { credentials: "same-origin" })
    .then((answer) => answer.json())
    .then(({ signedInAs }) => {
      if (signedInAs === null) return link.submit();
      const asks = link.querySelector("[data-asks]");
      asks.querySelector("strong").textContent = signedInAs;
      asks.hidden = false;
      link.querySelector("button").focus();
    })
    .catch(() => {});
};
enter();
addEventListener("hashchange", enter);

// What is wrong with a form is read out first.
document.querySelector(".problem[tabindex]")?.focus();

// On a narrow screen the tenant's pages are in one row: the one that is shown is moved into sight.
const here = document.querySelector(".side a[aria-current]");
if (here) {
  const row = here.closest("ul");
  row.scrollLeft = here.offsetLeft - row.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

// The slider applies when a hand lets it go. By the keyboard it can be moved step by step first: Enter applies it, and
// the page that comes gives it back the focus.
const slider = document.querySelector("input[type=range][data-shows]");
if (slider) {
  const shows = document.getElementById(slider.dataset.shows);
  let byHand = false;
  slider.addEventListener("pointerdown", () => { byHand = true; });
  slider.addEventListener("keydown", (event) => {
    byHand = false;
    if (event.key === "Enter") {
      event.preventDefault();
      slider.form.requestSubmit();
    }
  });
  slider.addEventListener("input", () => { shows.textContent = slider.value; });
  slider.addEventListener("change", () => { if (byHand) slider.form.requestSubmit(); });
  if (location.hash === `#${slider.id}`) slider.focus({ preventScroll: true });
}

// Snippets: one at a time.
for (const tabs of document.querySelectorAll("[data-tabs]")) {
  const parts = [...tabs.querySelectorAll("[data-tab]")];
  const list = document.createElement("div");
  list.className = "tabs";
  list.setAttribute("role", "tablist");
  const choose = (chosen) => parts.forEach((part, at) => {
    part.hidden = at !== chosen;
    list.children[at].setAttribute("aria-selected", String(at === chosen));
    list.children[at].tabIndex = at === chosen ? 0 : -1;
  });
  parts.forEach((part, at) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${part.id}-tab`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", part.id);
    tab.textContent = part.dataset.tab;
    tab.addEventListener("click", () => choose(at));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (at + step + parts.length) % parts.length;
      choose(next);
      list.children[next].focus();
    });
    part.setAttribute("role", "tabpanel");
    part.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
  });
  tabs.prepend(list);
  choose(0);
}

// The roll as it grows. The server renders each entry; what it sends is parsed, and scripts in it would
// be inert: neither the policy nor the parser runs them.
const tail = document.querySelector("[data-live]");
if (tail) {
  const says = document.getElementById("live-says");
  const source = new EventSource(tail.dataset.live);
  source.addEventListener("open", () => { says.textContent = "Live"; says.className = "badge good"; });
  source.addEventListener("error", () => {
    const ended = source.readyState === EventSource.CLOSED;
    says.textContent = ended ? "Not live: load the page again" : "Live";
    says.className = ended ? "badge warn" : "badge good";
  });
  source.addEventListener("entry", (event) => {
    if (document.getElementById(`entry-${event.lastEventId}`)) return;
    const parsed = new DOMParser().parseFromString(event.data, "text/html").body.firstElementChild;
    if (!parsed) return;
    parsed.classList.add("new");
    tail.prepend(document.importNode(parsed, true));
  });
  addEventListener("pagehide", () => source.close());
}
