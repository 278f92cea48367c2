"""Renderers: a `Player` drives an `Engine` by the contract."""
