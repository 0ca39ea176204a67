"""The definitions, the main job, the command line, named selections of assets, and the recipes."""
