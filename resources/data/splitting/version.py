"""Version of splits: a change that alters results raises it, and the tables are rebuilt."""

VERSION = "4"
