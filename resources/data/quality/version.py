"""Version of record_quality: a change that alters results raises it, and the tables are rebuilt."""

VERSION = "2"
