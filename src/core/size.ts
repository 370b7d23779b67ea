const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Bytes of a size as Docker writes them: a number of bytes, or `512m`, `2g`, `1.5 GiB`; units are powers of 1024. */
export function parseSize(size: string | number): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
  const parts = /^(\d{1,15}(?:\.\d{1,6})?) ?([bkmgt]?)(?:(?<=[kmgt])i?b)?$/i.exec(size.trim());
  if (!parts) return undefined;
  return Math.round(Number(parts[1]) * (UNITS[(parts[2] || 'b').toLowerCase()] ?? 1));
}

/** For people: `64m`, `22.5g`; rounded down, so that it is never more than there is. */
export function sizeText(bytes: number): string {
  const unit = (['t', 'g', 'm', 'k'] as const).find((name) => bytes >= (UNITS[name] ?? 1));
  if (unit === undefined) return String(bytes);
  return `${Math.floor((bytes / (UNITS[unit] ?? 1)) * 10) / 10}${unit}`;
}

/** As engines and registries tell the sizes of images: `371 MB`. */
export function megabytesText(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
