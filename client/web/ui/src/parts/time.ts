/** 225000 ms as "3:45"; an hour and more as "1:02:03". */
export function clockText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const end = `${m}:${String(s).padStart(2, "0")}`;
  return h > 0 ? `${h}:${end.padStart(5, "0")}` : end;
}
