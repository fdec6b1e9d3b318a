"""The engine: wires event sources, walks, inspections, hashing and the store for each repository."""
