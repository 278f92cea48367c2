/** What stands before the house: sign in, an invitation, another tab, no place left. */
import { useState } from "preact/hooks";

import { SignInError } from "#core";
import { connect, phase, snapshot } from "../model/store.ts";
import { textOf } from "../parts/forms.ts";
import { Mark } from "../parts/icons.tsx";
import { t } from "../texts/index.ts";
import type { TextKey } from "../texts/en.ts";

const WRONG: Record<SignInError["code"], TextKey> = {
  wrong: "wrong_password",
  too_many: "too_many_tries",
  unreachable: "server_unreachable",
  invitation_over: "invitation_over",
  failed: "failed_sign_in",
};

function Door({
  title,
  words,
  children,
}: {
  title: string;
  words: string;
  children: preact.ComponentChildren;
}) {
  return (
    <main class="door">
      <header>
        <Mark />
        <h1>{title}</h1>
        <p class="soft">{words}</p>
      </header>
      {children}
    </main>
  );
}

/** The state of a form that asks the server: busy, and what went wrong. */
function useAsking(): [boolean, string | null, (ask: () => Promise<void>) => void] {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const ask = (request: () => Promise<void>) => {
    setBusy(true);
    setWrong(null);
    request().catch((error: unknown) => {
      setBusy(false);
      setWrong(t(error instanceof SignInError ? WRONG[error.code] : "failed_sign_in"));
    });
  };
  return [busy, wrong, ask];
}

export function SignIn() {
  const [busy, wrong, ask] = useAsking();
  const { reason } = snapshot.value;
  const ended = reason === "refused" ? "signed_out_words" : reason === "uninvited" ? "invitation_over" : null;
  return (
    <Door title={t("app")} words={t(ended ?? "sign_in_words")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const [user, password] = [
            textOf(event.currentTarget, "user"),
            textOf(event.currentTarget, "password"),
          ];
          ask(() => connect().signIn(user.trim(), password));
        }}
      >
        <label class="field">
          {t("user")}
          <input name="user" autoComplete="username" autoCapitalize="none" spellcheck={false} required />
        </label>
        <label class="field">
          {t("password")}
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        {wrong !== null && (
          <p class="wrong" role="alert">
            {wrong}
          </p>
        )}
        <button type="submit" class="pill main" disabled={busy}>
          {t(busy ? "signing_in" : "sign_in")}
        </button>
      </form>
    </Door>
  );
}

export function Invited({ code, onIn }: { code: string; onIn: () => void }) {
  const [busy, wrong, ask] = useAsking();
  return (
    <Door title={t("guest_title")} words={t("guest_words")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask(() => connect().join(code).then(onIn));
        }}
      >
        {wrong !== null && (
          <p class="wrong" role="alert">
            {wrong}
          </p>
        )}
        <button type="submit" class="pill main" disabled={busy}>
          {t(busy ? "joining" : "join")}
        </button>
        {wrong !== null && (
          <button type="button" class="pill plain" onClick={onIn}>
            {t("sign_in")}
          </button>
        )}
      </form>
    </Door>
  );
}

export function Elsewhere() {
  const other = snapshot.value.reason === "other_client";
  return (
    <Door
      title={t(other ? "id_taken_title" : "elsewhere_title")}
      words={t(other ? "id_taken_words" : "elsewhere_words")}
    >
      <button
        type="button"
        class="pill main"
        onClick={() => {
          connect().takeOver();
        }}
      >
        {t("use_here")}
      </button>
    </Door>
  );
}

export function Connecting() {
  return (
    <main class="door">
      <header>
        <Mark />
        <h1>{t("app")}</h1>
        <p class="soft" role="status">
          {t(phase.value === "connecting" ? "connecting" : "offline_banner")}
        </p>
      </header>
      <span class="spinner middle" />
    </main>
  );
}
