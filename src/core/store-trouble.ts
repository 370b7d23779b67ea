/**
 * The store cannot read or write now (disk full, file locked or damaged, database server gone). Nothing of what was
 * asked has happened, so the caller may ask again later; the webhook route answers 503. `cause` holds the engine's error.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
