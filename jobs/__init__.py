"""Named selections of assets, the recipes, and the one place that gathers the definitions."""
