"""The world behind the engine's ports. Adapters know partition keys, never a rule."""
