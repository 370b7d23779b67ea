/** Seals texts for the disk: AES-256-GCM (NIST SP 800-38D) with a nonce of its own for each. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

export interface Vault {
  /** `binding` says what the text belongs to: it opens only under the same one. Twice the same text looks different. */
  seal(text: string, binding: string): string;
  /** Throws BrokenSeal when it was sealed with another key or binding, or changed. */
  open(sealed: string, binding: string): string;
}

export class BrokenSeal extends Error {
  override readonly name = 'BrokenSeal';
}

const VERSION = 'v1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The key has 32 bytes. */
export function openVault(key: Uint8Array): Vault {
  // Enough to tell keys apart, and nothing about the key.
  const keyName = createHash('sha256').update('hearth key name').update(key).digest('hex').slice(0, 12);
  return {
    seal(text, binding) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(binding));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return [VERSION, keyName, Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')].join('.');
    },
    open(sealed, binding) {
      const [version, name, data = ''] = sealed.split('.');
      const bytes = Buffer.from(data, 'base64url');
      if (version !== VERSION || bytes.length < NONCE_BYTES + TAG_BYTES)
        throw new BrokenSeal('it is not of our making');
      if (name !== keyName) throw new BrokenSeal('it was sealed with another key file');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(binding))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
        return Buffer.concat([body, decipher.final()]).toString('utf8');
      } catch (cause) {
        throw new BrokenSeal('it was changed, or belongs to something else', { cause });
      }
    },
  };
}
