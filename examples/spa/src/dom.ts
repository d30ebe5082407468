// Makes elements. Text is always text: nothing here, or anywhere, parses HTML.

type Child = Node | string | null | undefined | false;
type Props<T> = { [K in keyof T]?: T[K] } & { attrs?: Record<string, string> };

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const { attrs = {}, ...properties } = props;
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

let counter = 0;

/** A label, its input, and a hint that is read with it. */
export function field(label: string, input: HTMLInputElement | HTMLSelectElement, hint?: string): HTMLElement {
  input.id = `field-${++counter}`;
  const told = hint ? h("p", { className: "hint", id: `${input.id}-hint` }, hint) : null;
  if (told) input.setAttribute("aria-describedby", told.id);
  return h("div", { className: "field" }, h("label", { htmlFor: input.id }, label), input, told);
}

/** A form whose button is off while `act` runs; what fails is told where screen readers hear it. */
export function form(button: string, act: () => Promise<void>, ...children: Child[]): HTMLFormElement {
  const submit = h("button", { type: "submit", className: "primary" }, button);
  const element = h("form", { noValidate: false }, ...children, h("div", { className: "actions" }, submit));
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit.disabled = true;
    void act().finally(() => {
      submit.disabled = false;
    });
  });
  return element;
}
