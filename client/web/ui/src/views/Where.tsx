import type { Device } from "#core";
import { forgetWaiting, pickDevice } from "../model/music.ts";
import { dialog, go } from "../model/route.ts";
import { active, devices, here, me, movingTo, snapshot } from "../model/store.ts";
import { canBecomePlayer, canTake, doing, inOrder } from "../parts/devices.ts";
import { closeAround, Dialog } from "../parts/Dialog.tsx";
import { Icon } from "../parts/icons.tsx";
import { t } from "../texts/index.ts";

/** The list of places: this device first, then those online, then the others with when they were seen. */
export function Where() {
  const listed = inOrder(devices.value, me.value?.deviceId);
  return (
    <Dialog
      title={t("connect_to")}
      fromBelow
      onClose={() => {
        dialog.value = null;
        forgetWaiting();
      }}
    >
      <div class="body">
        <ul class="devices">
          {listed.map((device) => (
            <Row key={device.id} device={device} />
          ))}
        </ul>
        {listed.length === 1 && <p class="soft nothing">{t("no_others_words")}</p>}
        {active.value !== null && !snapshot.value.canTransfer && (
          <p class="soft nothing">{t("guest_stays")}</p>
        )}
      </div>
      {snapshot.value.canManage && (
        <footer>
          <button
            type="button"
            class="pill plain"
            onClick={(event) => {
              closeAround(event.currentTarget);
              go("devices");
            }}
          >
            {t("manage_devices")}
          </button>
        </footer>
      )}
    </Dialog>
  );
}

function Row({ device }: { device: Device }) {
  const own = device.id === me.value?.deviceId;
  const moving = movingTo.value;
  const current = active.value?.id === device.id;
  const possible = canTake(device) && (snapshot.value.canTransfer || active.value === null || current);
  const away = !device.is_online && !own;
  return (
    <li class={away ? "row away" : "row"} data-current={current}>
      <button
        type="button"
        class="pick"
        aria-current={current ? "true" : undefined}
        disabled={!possible || moving !== null}
        onClick={(event) => {
          const button = event.currentTarget;
          void pickDevice(device.id).then(() => {
            closeAround(button);
          }, ignore);
        }}
      >
        <Icon name={device.device_type} />
        <span>
          <span class="name cut">{device.name}</span>
          <span class="under cut">{doing(device)}</span>
        </span>
        <End device={device} moving={moving === device.id} current={current} />
      </button>
    </li>
  );
}

function End({ device, moving, current }: { device: Device; moving: boolean; current: boolean }) {
  if (moving) return <span class="spinner" />;
  if (current) return <Icon name="sound" />;
  const asleep = device.id === me.value?.deviceId && !here.value.allowed && canBecomePlayer(device);
  return asleep ? <Icon name="mute" /> : <span />;
}

/** A failed transfer is told by a toast; the list stays open for another choice. */
function ignore(): void {
  return undefined;
}
