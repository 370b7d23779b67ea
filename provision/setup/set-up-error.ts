/**
 * Set-up cannot go on and the person at the keyboard has to act. The message has two parts: what is wrong, and after
 * "→ " what to do about it. Tasks print it without a stack.
 */
export class SetUpError extends Error {
  constructor(wrong: string, toDo: string, options?: ErrorOptions) {
    super(`${wrong}\n→ ${toDo}`, options);
    this.name = 'SetUpError';
  }
}
