import { useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  value: number;
  max: number;
  step: number;
  /** What a screen reader says of a value. */
  say: (value: number) => string;
  /** While dragging; nothing is sent yet. */
  onDraft?: (value: number | null) => void;
  /** Released, or a key pressed and no other for a moment. */
  onDone: (value: number) => void;
  disabled?: boolean;
}

const KEYS_REST_MS = 250;

/** A native range input: local while it is dragged, told once when it is let go. */
export function Slider({ label, value, max, step, say, onDraft, onDone, disabled = false }: Props) {
  const [draft, setDraft] = useState<number | null>(null);
  const rest = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const byPointer = useRef(false);
  const shown = Math.min(max, draft ?? value);

  function change(next: number): void {
    setDraft(next);
    onDraft?.(next);
  }

  function done(next: number): void {
    clearTimeout(rest.current);
    const finish = () => {
      onDone(next);
      onDraft?.(null);
      setDraft(null);
    };
    if (byPointer.current) finish();
    else rest.current = setTimeout(finish, KEYS_REST_MS);
    byPointer.current = false;
  }

  return (
    <input
      class="slider"
      type="range"
      min={0}
      max={max}
      step={step}
      value={shown}
      disabled={disabled}
      aria-label={label}
      aria-valuetext={say(shown)}
      style={{ "--fill": `${max > 0 ? (100 * shown) / max : 0}%` }}
      onPointerDown={() => {
        byPointer.current = true;
      }}
      onInput={(event) => {
        change(event.currentTarget.valueAsNumber);
      }}
      onChange={(event) => {
        done(event.currentTarget.valueAsNumber);
      }}
    />
  );
}
