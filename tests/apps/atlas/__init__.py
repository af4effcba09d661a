"""An app with every kind of type that a client may meet: the programs in TypeScript use it."""
