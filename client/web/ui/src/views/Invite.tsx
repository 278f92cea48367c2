import { useState } from "preact/hooks";

import { connect } from "../model/store.ts";
import { say } from "../model/toasts.ts";
import { Page } from "../parts/Page.tsx";
import { count, t } from "../texts/index.ts";
import type { TextKey } from "../texts/en.ts";

const SCOPES: [string, TextKey][] = [
  ["control", "may_control"],
  ["queue", "may_queue"],
  ["transfer", "may_transfer"],
];
const HOURS = [1, 4, 12, 24];
const HOUR_S = 3600;
/** What every machine calls itself: a guest's phone would look there for us. */
const LOOPBACK = /^(localhost|.+\.localhost|127\.[\d.]+|\[::1\])$/;

/** A link for a guest: what it allows, and for how long. */
export function Invite() {
  const [link, setLink] = useState<string | null>(null);
  return <Page title={t("invite")}>{link === null ? <Ask onLink={setLink} /> : <Ready link={link} />}</Page>;
}

function Ask({ onLink }: { onLink: (link: string) => void }) {
  const [busy, setBusy] = useState(false);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        setBusy(true);
        void invitation(form.getAll("scope").map(String), Number(form.get("hours"))).then((made) => {
          setBusy(false);
          if (made === null) say(t("failed_other", { reason: t("offline") }));
          else onLink(made);
        });
      }}
    >
      <p class="soft">{t("invite_words")}</p>
      <fieldset>
        <legend>{t("invite_scope")}</legend>
        {SCOPES.map(([value, text]) => (
          <label key={value} class="choice">
            <input type="checkbox" name="scope" value={value} defaultChecked={value !== "transfer"} />
            {t(text)}
          </label>
        ))}
      </fieldset>
      <label class="field">
        {t("valid_for")}
        <select name="hours">
          {HOURS.map((hours) => (
            <option key={hours} value={hours} selected={hours === 4}>
              {count("hours", hours)}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="pill main" disabled={busy}>
        {t("make_invitation")}
      </button>
    </form>
  );
}

function Ready({ link }: { link: string }) {
  return (
    <div class="ready">
      <label class="field">
        {t("invitation_ready")}
        <input
          readOnly
          value={link}
          onFocus={(event) => {
            event.currentTarget.select();
          }}
        />
      </label>
      {LOOPBACK.test(new URL(link).hostname) && <p class="soft">{t("invitation_stays_here")}</p>}
      <div class="actions">
        {"share" in navigator && (
          <button
            type="button"
            class="pill"
            onClick={() => void navigator.share({ url: link }).catch(ignore)}
          >
            {t("share")}
          </button>
        )}
        {/* On plain http:// there is no clipboard; the field is selected for copying by hand. */}
        {window.isSecureContext && (
          <button
            type="button"
            class="pill main"
            onClick={() =>
              void navigator.clipboard.writeText(link).then(() => {
                say(t("copied"));
              })
            }
          >
            {t("copy")}
          </button>
        )}
      </div>
    </div>
  );
}

/** The link of a new invitation; null where the server made none. */
async function invitation(scope: string[], hours: number): Promise<string | null> {
  try {
    const answer = await connect().request("api/invitations", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ scope, ttl: hours * HOUR_S }),
    });
    if (!answer.ok) return null;
    const { link } = (await answer.json()) as { link: string };
    return new URL(link, new URL(document.baseURI)).href;
  } catch {
    return null;
  }
}

function ignore(): void {
  return undefined;
}
