import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { Track } from "../model/tracks.ts";
import { Icon } from "./icons.tsx";

/** An album's picture; where there is none, a colour of its own that stays the same. */
export function Cover({
  of,
  thumb = false,
  children,
}: {
  of: Track;
  thumb?: boolean;
  children?: ComponentChildren;
}) {
  const [broken, setBroken] = useState<string | null>(null);
  const picture = of.cover === broken ? null : of.cover;
  const hue = hueOf(of.album || of.id);
  return (
    <span
      class={thumb ? "cover thumb" : "cover"}
      style={
        picture !== null
          ? {}
          : { background: `linear-gradient(150deg, hsl(${hue} 42% 46%), hsl(${hue + 40} 48% 26%))` }
      }
    >
      {picture !== null ? (
        <img
          src={picture}
          alt=""
          loading={thumb ? "lazy" : "eager"}
          onError={() => {
            setBroken(of.cover);
          }}
        />
      ) : (
        <Icon name="note" />
      )}
      {children}
    </span>
  );
}

function hueOf(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}
