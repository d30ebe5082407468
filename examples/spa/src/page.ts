// What every page stands in: the header, one region for what must be heard, and the page itself.

import { Refused } from "./api";
import { h } from "./dom";
import { words } from "./words";

export const main = h("main", { id: "main", tabIndex: -1 });
const alert = h("p", { className: "alert", attrs: { role: "alert" } });
const status = h("p", { className: "status", attrs: { role: "status" } });
export const heard = h("div", { className: "heard" }, alert, status);

/** Tell that something is done; screen readers read it out. */
export function tell(text: string): void {
  alert.textContent = "";
  status.textContent = text;
}

export function hush(): void {
  tell("");
}

/** Tell why something failed, in the words of the API where it has any. */
export function complain(error: unknown): void {
  status.textContent = "";
  alert.textContent = error instanceof Refused ? error.message : words().wrong;
  if (!(error instanceof Refused)) console.error(error);
  heard.scrollIntoView({ block: "nearest" });
}

/** Do something, and tell what fails. */
export async function trying(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    complain(error);
  }
}

let latest = 0;

/** Begin a page; tells later whether it is still the one that is wanted, or came too late. */
export function begun(): () => boolean {
  const mine = ++latest;
  return () => mine === latest;
}

/** Show a page, and begin to read at its title. */
export function show(title: string, ...content: (Node | null | false)[]): void {
  const heading = h("h1", { tabIndex: -1 }, title);
  main.replaceChildren(heading, ...content.filter((each): each is Node => Boolean(each)));
  document.title = `${title} · ${words().app}`;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}
