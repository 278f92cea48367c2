import type { ComponentChildren } from "preact";

import { Icon, type IconName } from "./icons.tsx";

interface Props {
  icon: IconName;
  title: string;
  words?: string;
  children?: ComponentChildren;
}

/** What a pane says when there is nothing to list. */
export function Empty({ icon, title, words, children }: Props) {
  return (
    <div class="centre">
      <Icon name={icon} />
      <p class="lead">{title}</p>
      {words !== undefined && <p>{words}</p>}
      {children}
    </div>
  );
}
