// Getting in: with a password (and a code, when asked for one), or with a login token.

import * as api from "./api";
import { field, form, h } from "./dom";
import { complain, hush, show, tell } from "./page";
import { words } from "./words";

const NEEDS_CODE = "second-factor-required";

function codeInput(): HTMLInputElement {
  return h("input", { name: "otp", autocomplete: "one-time-code", required: true, maxLength: 64 });
}

/** Do what may need a code of the second factor: where it does, ask for one and let it be sent again. */
function askingForCode(act: (otp?: string) => Promise<void>) {
  const place = h("div");
  let input: HTMLInputElement | null = null;
  return {
    place,
    async run(): Promise<void> {
      try {
        hush();
        await act(input?.value);
      } catch (error) {
        if (!(error instanceof api.Refused) || error.code !== NEEDS_CODE || input) {
          complain(error);
          return;
        }
        // Nothing failed: the field that comes, and its hint, say what is needed.
        input = codeInput();
        place.append(field(words().code, input, words().codeHint));
        input.focus();
      }
    },
  };
}

export function showLogIn(entered: () => void): void {
  const name = h("input", { name: "username", autocomplete: "username", required: true, maxLength: 100 });
  name.autocapitalize = "none";
  name.spellcheck = false;
  const password = h("input", {
    name: "password", type: "password", autocomplete: "current-password", required: true, maxLength: 200,
  });
  const attempt = askingForCode(async (otp) => {
    await api.logIn(name.value.trim(), password.value, otp);
    entered();
  });
  show(
    words().logInTitle,
    h("section", { className: "card narrow" },
      form(words().logIn, attempt.run, field(words().userName, name), field(words().password, password), attempt.place),
      h("p", {}, h("a", { href: "#first" }, words().firstTime)),
    ),
  );
}

export function showFirstLogIn(entered: () => void, token = ""): void {
  const input = h("input", {
    name: "token", value: token, autocomplete: "off", required: true, maxLength: 200, spellcheck: false,
  });
  const email = h("input", { name: "email", type: "email", autocomplete: "email", required: true, maxLength: 254 });
  const redeem = async (): Promise<void> => {
    try {
      hush();
      showPassword(entered, await api.redeem(input.value.trim()));
    } catch (error) {
      complain(error);
    }
  };
  const send = async (): Promise<void> => {
    try {
      await api.sendLoginToken(email.value.trim());
      tell(words().tokenSent);
    } catch (error) {
      complain(error);
    }
  };
  show(
    words().firstTitle,
    h("section", { className: "card narrow" },
      form(words().continue, redeem, field(words().loginToken, input, words().loginTokenHint)),
    ),
    h("section", { className: "card narrow" },
      h("h2", {}, words().noToken),
      form(words().sendToken, send, field(words().email, email)),
    ),
    h("p", {}, h("a", { href: "#" }, words().back)),
  );
}

function showPassword(entered: () => void, restricted: string): void {
  const password = h("input", {
    name: "new-password", type: "password", autocomplete: "new-password", required: true, maxLength: 200,
  });
  const attempt = askingForCode(async (otp) => {
    await api.setPassword(restricted, password.value, otp);
    entered();
  });
  show(
    words().setTitle,
    h("section", { className: "card narrow" },
      form(words().save, attempt.run, field(words().newPassword, password, words().passwordHint), attempt.place),
    ),
  );
}
