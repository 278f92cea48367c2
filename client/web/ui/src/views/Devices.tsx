import { useState } from "preact/hooks";

import type { Device } from "#core";
import { connect, devices, here, me, snapshot } from "../model/store.ts";
import { say } from "../model/toasts.ts";
import { canBecomePlayer, doing, inOrder } from "../parts/devices.ts";
import { closeAround, Dialog } from "../parts/Dialog.tsx";
import { Icon } from "../parts/icons.tsx";
import { textOf } from "../parts/forms.ts";
import { Page } from "../parts/Page.tsx";
import { t } from "../texts/index.ts";

/** Every device with what it can; rename in place, forget after a question. */
export function Devices() {
  return (
    <Page title={t("devices_title")}>
      <DeviceCards of={devices.value} />
    </Page>
  );
}

/** All places are taken: what can still be done is to forget a device. Guests take no place. */
export function Full() {
  return (
    <main class="page">
      <div class="inner">
        <div class="centre short">
          <h1>{t("full_title")}</h1>
          {snapshot.value.canManage && <p>{t("full_words")}</p>}
          <div class="actions">
            <button
              type="button"
              class="pill main"
              onClick={() => {
                connect().stir();
              }}
            >
              {t("retry")}
            </button>
            <button type="button" class="pill" onClick={() => void connect().signOut()}>
              {t("sign_out")}
            </button>
          </div>
        </div>
        <DeviceCards of={devices.value.filter((device) => !device.is_guest)} />
      </div>
    </main>
  );
}

function DeviceCards({ of }: { of: readonly Device[] }) {
  const [forgetting, setForgetting] = useState<Device | null>(null);
  return (
    <>
      <ul class="cards">
        {inOrder(of, me.value?.deviceId).map((device) => (
          <Card
            key={device.id}
            device={device}
            onForget={() => {
              setForgetting(device);
            }}
          />
        ))}
      </ul>
      {forgetting && (
        <Forget
          device={forgetting}
          onClose={() => {
            setForgetting(null);
          }}
        />
      )}
    </>
  );
}

function Card({ device, onForget }: { device: Device; onForget: () => void }) {
  const [renaming, setRenaming] = useState(false);
  return (
    <li class="card">
      <div class="line">
        <Icon name={device.device_type} />
        {renaming ? (
          <Rename
            device={device}
            onDone={() => {
              setRenaming(false);
            }}
          />
        ) : (
          <>
            <div class="words">
              <h2>{device.name}</h2>
              <p class="soft">{doing(device)}</p>
            </div>
            {snapshot.value.canManage && (
              <>
                <button
                  type="button"
                  class="round"
                  aria-label={t("rename", { name: device.name })}
                  onClick={() => {
                    setRenaming(true);
                  }}
                >
                  <Icon name="pencil" />
                </button>
                <button
                  type="button"
                  class="round"
                  aria-label={t("forget", { name: device.name })}
                  onClick={onForget}
                >
                  <Icon name="trash" />
                </button>
              </>
            )}
          </>
        )}
      </div>
      <ul class="facts">
        <Facts device={device} />
      </ul>
      {device.id === me.value?.deviceId && canBecomePlayer(device) && <Sound />}
    </li>
  );
}

/** Whether music may play in this browser; asking for it has to be a click. */
function Sound() {
  const { allowed } = here.value;
  return (
    <button
      type="button"
      class={allowed ? "pill plain sound" : "pill sound"}
      onClick={() => void (allowed ? connect().forbidPlayback() : connect().allowPlayback())}
    >
      {t(allowed ? "only_remote" : "allow_sound")}
    </button>
  );
}

function Facts({ device }: { device: Device }) {
  const { can_render, can_control, supported_formats, max_sample_rate } = device.capabilities;
  return (
    <>
      <li class="fact">{t(device.device_type)}</li>
      {device.is_guest && <li class="fact">{t("is_guest")}</li>}
      {can_render && <li class="fact">{t("can_render")}</li>}
      {can_control && <li class="fact">{t("can_control")}</li>}
      {can_render && supported_formats.length > 0 && (
        <li class="fact">{supported_formats.map((format) => format.toUpperCase()).join(" ")}</li>
      )}
      {can_render && max_sample_rate > 0 && (
        <li class="fact">{t("up_to_rate", { rate: max_sample_rate / 1000 })}</li>
      )}
    </>
  );
}

function Rename({ device, onDone }: { device: Device; onDone: () => void }) {
  return (
    <form
      class="rename words"
      onSubmit={(event) => {
        event.preventDefault();
        const name = textOf(event.currentTarget, "name").trim();
        if (name !== "" && name !== device.name) void connect().rename(device.id, name);
        onDone();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
      }}
    >
      <input
        name="name"
        aria-label={t("new_name")}
        defaultValue={device.name}
        maxLength={64}
        required
        autoComplete="off"
        ref={focusOnce}
      />
      <button type="submit" class="round" aria-label={t("save")}>
        <Icon name="check" />
      </button>
      <button type="button" class="round" aria-label={t("cancel")} onClick={onDone}>
        <Icon name="close" />
      </button>
    </form>
  );
}

function focusOnce(input: HTMLInputElement | null): void {
  input?.select();
}

function Forget({ device, onClose }: { device: Device; onClose: () => void }) {
  const own = device.id === me.value?.deviceId;
  return (
    <Dialog title={t("forget_title", { name: device.name })} onClose={onClose}>
      <div class="body text">
        <p>{t("forget_words")}</p>
        {own && <p>{t("forget_this_words")}</p>}
      </div>
      <footer>
        <button
          type="button"
          class="pill"
          onClick={(event) => {
            closeAround(event.currentTarget);
          }}
        >
          {t("cancel")}
        </button>
        <button
          type="button"
          class="pill danger"
          onClick={(event) => {
            closeAround(event.currentTarget);
            void connect()
              .forget(device.id)
              .then(() => {
                say(t("forgotten", { name: device.name }));
              }, told);
          }}
        >
          {t("forget_button")}
        </button>
      </footer>
    </Dialog>
  );
}

/** A failure is told by the client's own toast. */
function told(): void {
  return undefined;
}
