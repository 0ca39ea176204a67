"""The storage root: layout, manifests, locks, tables, integrity."""
