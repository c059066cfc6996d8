/// <reference lib="dom" />
/** One picture of a scene: tiles drawn where the view wants them, the nearest level that has enough pixels first. */
import { type SceneFacts, tileAddress } from './ask.js';
import { type Affine, apply, invert, multiply } from './places.js';

/** Tiles that are kept, in number. */
const KEPT = 400;

export interface Colouring {
  readonly bands: readonly number[];
  /** low, high of each band. */
  readonly ranges: readonly number[];
}

export interface Marker {
  readonly corners: readonly (readonly [number, number])[];
  readonly colour: string;
  readonly label: string;
}

export class Picture {
  readonly facts: SceneFacts;
  /** From pixels of the first scene to this one's. */
  readonly toScene: Affine;
  colouring: Colouring | undefined;
  readonly #tile: number;
  readonly #tiles = new Map<string, HTMLImageElement>();
  readonly #redraw: () => void;

  constructor(facts: SceneFacts, toScene: Affine, tile: number, redraw: () => void) {
    this.facts = facts;
    this.toScene = toScene;
    this.#tile = tile;
    this.#redraw = redraw;
  }

  /** Images that are still on their way. */
  get waiting(): number {
    return [...this.#tiles.values()].filter((image) => !image.complete).length;
  }

  /** @param toScreen from pixels of the first scene to those of the canvas */
  draw(context: CanvasRenderingContext2D, toScreen: Affine, width: number, height: number): void {
    if (this.colouring === undefined) return;
    const own = multiply(toScreen, invert(this.toScene));
    const pixel = Math.sqrt(Math.abs(own[0] * own[3] - own[1] * own[2]));
    const top = this.facts.levels - 1;
    const level = Math.min(top, Math.max(0, Math.floor(Math.log2(1 / pixel) + 1e-6)));
    // what is there of coarser levels stays below until the finer tiles have come
    for (let l = top; l >= level; l--) this.#level(context, own, l, width, height, l === level, pixel);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  #level(
    context: CanvasRenderingContext2D,
    own: Affine,
    level: number,
    width: number,
    height: number,
    wanted: boolean,
    pixel: number,
  ): void {
    const step = 2 ** level;
    const side = this.#tile * step;
    const back = invert(own);
    const corners = [apply(back, 0, 0), apply(back, width, 0), apply(back, 0, height), apply(back, width, height)];
    const range = (k: 0 | 1, size: number): [number, number] => {
      const values = corners.map((corner) => corner[k]);
      return [
        Math.max(0, Math.floor(Math.min(...values) / side)),
        Math.min(Math.ceil(size / side) - 1, Math.floor(Math.max(...values) / side)),
      ];
    };
    const [x0, x1] = range(0, this.facts.width);
    const [y0, y1] = range(1, this.facts.height);
    context.setTransform(...own);
    context.imageSmoothingEnabled = pixel * step < 1;
    for (let y = y0; y <= y1; y++)
      for (let x = x0; x <= x1; x++) {
        const image = this.#image(level, x, y, wanted);
        if (image?.complete && image.naturalWidth > 0)
          context.drawImage(image, x * side, y * side, image.naturalWidth * step, image.naturalHeight * step);
      }
  }

  #image(level: number, x: number, y: number, wanted: boolean): HTMLImageElement | undefined {
    const { bands, ranges } = this.colouring!;
    const address = tileAddress(this.facts.id, bands, ranges, level, x, y);
    const found = this.#tiles.get(address);
    if (found !== undefined || !wanted) return found;
    const image = new Image();
    image.onload = this.#redraw;
    image.onerror = this.#redraw;
    image.src = address;
    this.#tiles.set(address, image);
    for (const [oldest] of this.#tiles) {
      if (this.#tiles.size <= KEPT) break;
      this.#tiles.delete(oldest);
    }
    return image;
  }
}

/** Outlines of places, in their curves' colours, on white so that they are seen on any picture. */
export function drawMarkers(context: CanvasRenderingContext2D, markers: readonly Marker[], scale: number): void {
  for (const { corners, colour, label } of markers) {
    const middle = [0, 1].map((k) => corners.reduce((sum, c) => sum + c[k]!, 0) / corners.length) as [number, number];
    const size = Math.max(...corners.map((c) => Math.hypot(c[0] - middle[0], c[1] - middle[1])));
    const outline = new Path2D();
    if (size > 7 * scale) for (const [x, y] of corners) outline.lineTo(x, y);
    else outline.arc(...middle, 6 * scale, 0, 2 * Math.PI);
    outline.closePath();
    context.lineWidth = 4.5 * scale;
    context.strokeStyle = '#fff';
    context.stroke(outline);
    context.lineWidth = 2.5 * scale;
    context.strokeStyle = colour;
    context.stroke(outline);
    if (label === '') continue;
    context.font = `600 ${12 * scale}px system-ui, sans-serif`;
    const [x, y] = [middle[0] + Math.max(9 * scale, size), middle[1] - 7 * scale];
    context.lineWidth = 3.5 * scale;
    context.strokeStyle = '#fff';
    context.strokeText(label, x, y);
    context.fillStyle = colour;
    context.fillText(label, x, y);
  }
}
