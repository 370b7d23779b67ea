/** Which dependency layers a job may use, and where what it builds goes. Nothing that is trusted less is ever read. */
import { unreachable } from './result.ts';
import type { TrustClass } from './run.ts';

export interface LayerAccess {
  /** Folders where a layer is looked for, in this order; what is found there is only read. */
  readonly reads: readonly string[];
  /** Folder for what is built. */
  readonly writes: string;
  /** Nobody else ever reads `writes`, and it is dropped when the attempt is over. */
  readonly isPrivate: boolean;
}

/** Throws for a run that nobody approved: none of its jobs may get so far. */
export function layerAccess(
  trust: TrustClass,
  { id, attempt }: { readonly id: number; readonly attempt: number },
): LayerAccess {
  switch (trust) {
    case 'T1':
      return { reads: ['T1'], writes: 'T1', isPrivate: false };
    case 'T2':
      return { reads: ['T1', 'T2'], writes: 'T2', isPrivate: false };
    case 'T3': {
      const own = `${PRIVATE}${id}.${attempt}`;
      return { reads: ['T1', own], writes: own, isPrivate: true };
    }
    case 'T4':
      throw new Error('Internal error: a job of a run that nobody approved asks for layers');
    default:
      return unreachable(trust);
  }
}

/** How the names of private folders begin; no class is called so. */
export const PRIVATE = 'T3-';
