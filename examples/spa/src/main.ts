// Begins: brings a session back, draws the header, and shows the page that the address names.

import * as api from "./api";
import { h } from "./dom";
import { showFirstLogIn, showLogIn } from "./login";
import { begun, complain, heard, hush, main, show, trying } from "./page";
import { showHome, showInvoice, showInvoices, showWallet } from "./views";
import { choose, language, LANGUAGES, words } from "./words";

const header = h("header", {});
let me: api.Me | null = null;

function options(values: [string, string][], chosen: string): HTMLOptionElement[] {
  return values.map(([value, text]) => h("option", { value, selected: value === chosen, lang: value }, text));
}

function drawHeader(): void {
  const tongue = h("select", { attrs: { "aria-label": words().language } },
    ...options(Object.entries(LANGUAGES), language()));
  tongue.onchange = () => {
    choose(tongue.value);
    void draw();
  };
  const schools = me?.schools ?? [];
  const school = schools.length > 1
    ? h("select", { attrs: { "aria-label": words().school } },
        ...options(schools.map((each) => [each.id, each.name]), me?.school_id ?? ""))
    : h("span", { className: "school" }, schools[0]?.name ?? "");
  if (school instanceof HTMLSelectElement) {
    school.onchange = () => void trying(async () => {
      await api.refresh(school.value);
      await enter();
    });
  }
  const here = location.hash.startsWith("#invoices");
  const link = (href: string, text: string, current: boolean): HTMLElement =>
    h("a", { href, attrs: current ? { "aria-current": "page" } : {} }, text);
  header.replaceChildren(
    h("a", { className: "skip", href: "#main", onclick: (event) => {
      event.preventDefault();
      main.focus();
    } }, words().skip),
    h("span", { className: "brand" }, words().app), school,
    ...(me
      ? [h("nav", { attrs: { "aria-label": words().menu } },
          link("#", words().home, !here), link("#invoices", words().invoices, here))]
      : []),
    h("div", { className: "tools" }, tongue,
      me && h("button", { type: "button", className: "log-out", onclick: () => void trying(api.logOut) }, words().logOut)),
  );
}

/** Show what the address names, in the chosen language. */
async function draw(): Promise<void> {
  const wanted = begun();
  api.speak(language());
  document.documentElement.lang = language();
  drawHeader();
  const [page, id = ""] = location.hash.slice(1).split("/");
  if (!me) {
    // The links in e-mails carry the login token in the fragment, which no server sees.
    const token = new URLSearchParams(page).get("token");
    main.removeAttribute("aria-busy");
    if (token) history.replaceState(null, "", "#first");
    if (token || page === "first") showFirstLogIn(enterHome, token ?? "");
    else showLogIn(enterHome);
    return;
  }
  main.setAttribute("aria-busy", "true");
  try {
    if (!page) await showHome(me, wanted);
    else if (page === "wallets" && id) await showWallet(id, wanted);
    else if (page === "invoices" && id) await showInvoice(id, wanted);
    else if (page === "invoices") await showInvoices(wanted);
    else show(words().notFound);
  } catch (error) {
    // Unless another page is wanted by now, such as the way in where the session ended.
    if (wanted()) {
      show(words().app);
      complain(error);
    }
  }
  if (wanted()) main.removeAttribute("aria-busy");
}

async function enter(): Promise<void> {
  me = await api.readMe();
  await draw();
}

function enterHome(): void {
  hush();
  history.replaceState(null, "", location.pathname);
  void trying(enter);
}

addEventListener("hashchange", () => {
  hush();
  void draw();
});
api.whenSessionEnds(() => {
  me = null;
  hush();
  history.replaceState(null, "", location.pathname);
  void draw();
});
document.querySelector("#app")?.replaceWith(header, heard, main);
api.speak(language());
await trying(async () => {
  if (await api.resume()) await enter();
  else await draw();
});
if (!main.hasChildNodes()) await draw();
