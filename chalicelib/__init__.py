"""What is deployed: the engine, its adapters, the entry points, and the app that is served."""
